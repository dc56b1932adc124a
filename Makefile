# make demo: set up, then four minutes of music from the built-in corpus.   make test: set up, then run the tests.
# Both need Python 3.11 or newer; a C++ compiler makes the native kernels, and without one everything runs in plain torch.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
CODE = $(wildcard csrc/*.h csrc/*.cpp csrc/*/*.h csrc/*/*.cpp csrc/*/*.cu)
SOURCES = pyproject.toml setup.py constraints.txt csrc/cuda/options.txt $(CODE)
DEMO = --genres classical,jazz,reggae --clips 30 --minutes 4

.PHONY: demo studio test kernels bench gpu lint format clean

demo: $(VENV)/.installed
	$(BIN)/python -m fastgan.train $(DEMO) $(ARGS)

# The page on which music is made with one button.
studio: $(VENV)/.installed
	$(PIP) 'fastgan[studio]'
	$(BIN)/python -m fastgan.studio $(ARGS)

# In as many processes as there are cores, four at most: each imports torch, and the networks are tiny.
test: $(VENV)/.developed
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

# The native kernels alone, without Python: by gcc and clang, with sanitizers, under valgrind, as far as they are here.
kernels:
	$(MAKE) --no-print-directory --directory csrc/test --jobs $(shell nproc 2>/dev/null || echo 2)

# All of it takes hours; ARGS=--brief shows in a minute that it runs, ARGS=--record appends rows to benchmarks/results,
# from which `python -m benchmarks.report` makes benchmarks/RESULTS.md.
bench: $(VENV)/.developed
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-disable-gc $(ARGS)

# Where there is an Nvidia GPU: parity on the device, then times.
gpu: $(VENV)/.developed
	PYTHON=$(BIN)/python bash benchmarks/gpu.sh $(ARGS)

lint: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run --Werror $(CODE)

format: $(VENV)/.developed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CODE)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "fastgan needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(SOURCES)
	$(PIP) --editable .
	@touch $@

# It is installed, so this adds packages and does not compile it again.
$(VENV)/.developed: $(VENV)/.installed
	$(PIP) 'fastgan[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info fastgan/_native*.so .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
