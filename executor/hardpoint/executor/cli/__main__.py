"""`python -m hardpoint.executor.cli` is `hardpoint`."""

from hardpoint.executor.cli import main

if __name__ == "__main__":
    main()
