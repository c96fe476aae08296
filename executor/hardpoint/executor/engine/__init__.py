"""The loop and everything it decides with: the one thread that owns the state of every run."""
