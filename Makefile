# Everything a contributor runs. Needs make and Python 3.11 or later, nothing else.

PYTHON ?= python3
BIN = .venv/bin
READY = .venv/.ready

help:
	@echo "make demo    run the example workflow on this machine"
	@echo "make test    run every check: style, types, layers, tests; prints minutes per suite"
	@echo "make prove   run the long proofs; resumes where it stopped; writes docs/evidence"
	@echo "make bench   run the benchmarks"
	@echo "make docs    write the generated pages of docs again, and build the site in build/site"
	@echo "make clean   remove what these commands made, except runs (.hardpoint) and proofs (.prove)"
	@echo ""
	@echo "PYTHON=python3.13 make test    use another Python"

demo: $(READY)
	$(BIN)/hardpoint run examples/digits/flow.py digits

test: $(READY)
	$(BIN)/python tools/suites.py

prove: $(READY)
	$(BIN)/python tools/prove.py

bench: $(READY)
	$(BIN)/python benchmarks/run.py

docs: $(READY)
	$(BIN)/python tools/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is as old as the last complete installation: a changed pyproject.toml installs again.
$(READY): pyproject.toml plugins/*/pyproject.toml tests/*/pyproject.toml tools/make_venv.py
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "error: no \`$(PYTHON)\` on PATH"; echo ""; echo "hint: install Python 3.11 or later, or run \`PYTHON=/path/to/python make ...\`"; exit 1; }
	$(PYTHON) tools/make_venv.py
	@touch $(READY)

.PHONY: help demo test prove bench docs clean
