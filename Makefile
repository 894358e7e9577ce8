PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# two processes of one thread each; a file of tests stays in one process: its fixtures are built once
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

SEEDS ?= 0,1,2,3,4

HOSTS := .venv-hosts
HOSTS_STAMP := $(HOSTS)/.installed

AUDIT := .venv-audit

# `make gpu GPU_DEVICE=cpu` goes the same way with small networks and few pictures, so that it can be tried where there is none.
GPU_DEVICE ?= cuda
ifeq ($(GPU_DEVICE),cpu)
GPU_PASSES := --detector d3qe_mini --others univfd_mini --protocol original --ways released,float32,lower,together \
	--pictures 4 --batch-size 2 --rounds 1
GPU_WORKERS := --detectors d3qe_mini --workers 0,1 --pictures 8 --batch-size 4 --rounds 1
GPU_STEP := --detector d3qe_mini --batch-size 4 --steps 2
GPU_PRECISIONS := float32
else
GPU_PASSES := --ways released,float32,lower,compiled-lower,together --pictures 256 --batch-size 64 --rounds 3
GPU_WORKERS := --detectors d3qe --workers 8,16 --pictures 2000 --batch-size 32 --rounds 2 --precision bfloat16
GPU_STEP := --batch-size 32 --steps 10
GPU_PRECISIONS := float32 bfloat16
endif

.PHONY: install test test-slow test-fast test-hosts faults gpu gpu-test gpu-speed lint pip-audit demo ablations variants clean

install: $(STAMP)

# opencv-python, which mmengine asks for, needs the system's libGL; where that is missing its headless
# twin takes its place (same module, no windows).
$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	$(BIN)/python -c "import cv2" 2>/dev/null || ( \
		$(BIN)/python -m pip uninstall --quiet --yes opencv-python && \
		$(BIN)/python -m pip install --quiet opencv-python-headless )
	touch $(STAMP)

# All but those marked slow, faults or gpu, which `make test-slow`, `make faults` and `make gpu` run; CI runs all but the last.
test: install
	$(PYTEST) -m "not slow and not faults and not gpu"

test-slow: install
	$(PYTEST) -m "slow and not gpu"

# Kills at random moments, full disks, damaged files by the hundred.
faults: install
	$(PYTEST) -m faults

# Outside suites, in an environment that borrows all else from the project's own.
$(HOSTS_STAMP): tests/hosts/requirements.txt tests/hosts/requirements-bare.txt $(STAMP)
	$(PYTHON) -m venv --clear $(HOSTS)
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
		> "$$($(HOSTS)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/project.pth"
	$(HOSTS)/bin/python -m pip install --quiet --requirement tests/hosts/requirements.txt
	$(HOSTS)/bin/python -m pip install --quiet --no-deps --requirement tests/hosts/requirements-bare.txt
	touch $(HOSTS_STAMP)

test-hosts: $(HOSTS_STAMP)
	$(HOSTS)/bin/python -m pytest -m hosts tests/hosts

# Without those that go through a whole command, as users do: a first answer while one works.
test-fast: install
	$(PYTEST) -m "not slow and not faults and not gpu and not command"

# On a machine with a GPU: tests marked gpu, one after the other, since one of them takes its memory, and the tables about
# it in speed.md and training.md. Some 8 minutes on a card such as an H100 with 16 cores, by arithmetic; `make -k gpu` measures though a test failed.
gpu: gpu-test gpu-speed

gpu-test: install
	D3QE_BENCH_GPU_REHEARSAL=$(filter cpu,$(GPU_DEVICE)) $(BIN)/python -m pytest -m gpu tests/gpu

gpu-speed: install
	$(BIN)/python -m benchmarks.speed.passes --device $(GPU_DEVICE) $(GPU_PASSES)
	$(BIN)/python -m benchmarks.speed.workers --device $(GPU_DEVICE) $(GPU_WORKERS)
	for precision in $(GPU_PRECISIONS); do \
		$(BIN)/python -m benchmarks.speed.training_step --device $(GPU_DEVICE) $(GPU_STEP) --precision $$precision || exit; \
	done

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Known weaknesses of what is installed. Asks a public advisory service, so CI, which is offline, does not run it.
pip-audit: install
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > $(AUDIT)/installed.txt
	$(AUDIT)/bin/pip-audit --disable-pip --no-deps --requirement $(AUDIT)/installed.txt

demo: install
	$(BIN)/d3qe-bench run

# D3QE's ablations at mini size: trained, run, and their table with the sensitivity to code statistics.
ablations: install
	$(BIN)/d3qe-bench train --seeds $(SEEDS) benchmarks/configs/ablations/mini/*.yaml
	$(BIN)/d3qe-bench run benchmarks/configs/run_ablations_mini.yaml
	$(BIN)/python -m benchmarks.ablation_table benchmarks/configs/run_ablations_mini.yaml --limit 50 \
		--against d3at --figure runs/ablations_mini/table/ablations.png \
		--number delta_sensitivity:noise.mean_over_logit_standard_deviation \
		--number delta_sensitivity:noise.decisions_changed

# D3QE's variants at mini size, beside the ablations that they are compared with, which are trained if they are not yet.
variants: install
	$(BIN)/d3qe-bench train --seeds $(SEEDS) benchmarks/configs/variants/mini/*.yaml \
		benchmarks/configs/ablations/mini/d3at.yaml benchmarks/configs/ablations/mini/delta_[lst]*.yaml \
		benchmarks/configs/ablations/mini/without_clip.yaml
	$(BIN)/d3qe-bench run benchmarks/configs/run_variants_mini.yaml
	$(BIN)/python -m benchmarks.ablation_table benchmarks/configs/run_variants_mini.yaml \
		--against d3at --figure runs/variants_mini/table/variants.png

clean:
	rm -rf $(VENV) $(HOSTS) $(AUDIT) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
