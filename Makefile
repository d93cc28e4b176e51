# Everything they need is installed into .venv by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
SOURCES := src services dashboard tests tools examples benchmarks clients deploy
# One math thread per process: on small matrices more threads cost more than they give, and bits differ.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help demo test check pytest setup protos up clean bench test-clients test-reliability test-ray soak throughput \
  images deploy-test locks docs chromium test-dashboard
help: ## Say what the targets do.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: .venv/demo ## Tune a real network: accuracy against inference time, model-based beside random search.
	$(BIN)/python examples/demo.py $(if $(FRESH),--fresh)

test: check pytest ## All that is needed to trust the tree; CI runs exactly this.

pytest: .venv/dev chromium
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: .venv/dev .venv/protos/done ## Format, lint, types, imports, protos, stubs.
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/buf breaking --against protos/released/v0.1.binpb
	.venv/protos/bin/python tools/gen_protos.py --check
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/paretune/rpc/test_policy.py
	$(BIN)/mypy

test-clients: .venv/dev ## Build the clients in Node, Go and C++ and run the conformance cases through them.
	$(BIN)/python clients/run.py --table docs/conformance.md $(ARGS)

test-dashboard: .venv/dev chromium ## The dashboard's tests alone, in a real browser; screenshots go to results/dashboard.
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/dashboard $(ARGS)

test-reliability: .venv/dev ## Kills, power loss, bad disks and networks, overload, broken builds: a quarter of an hour; prints a table.
	@$(BIN)/python tests/lanes/run.py reliability $(ARGS)

.PHONY: test-security
test-security: .venv/dev .venv/security ## Doors, 600,000 bad messages, sources, supply chain; prints a table. OFFLINE=1: no advisories.
	@OFFLINE=$(OFFLINE) $(BIN)/python tests/lanes/run.py security $(ARGS)

soak: .venv/dev ## What says more when it takes longer: load for ten minutes, rude callers, clocks, networks; prints a table.
	@$(BIN)/python tests/lanes/run.py soak $(ARGS)

images: .venv/dev ## Build the container images of store, optimizer and trainer; TARGETS="trainer-cpu" for others.
	sh docker/images.sh $(TARGETS)

docs: .venv/docs/done ## Build the documentation site, strictly: build/site/html.
	$(BIN)/python tools/docs_site.py
	cd build/site && NO_MKDOCS_2_WARNING=1 ../../.venv/docs/bin/mkdocs build --strict --quiet

deploy-test: .venv/deploy/done ## Build images, deploy them with compose, kill, upgrade, and check that nothing is lost.
	$(BIN)/python deploy/test/deploy.py

.PHONY: test-docs
test-docs: .venv/dev ## Run the pages that take longer: tutorials of both use cases, other frameworks.
	$(BIN)/python -m pytest -p no:xdist tests/public/code_blocks_lane.py $(ARGS)

.PHONY: test-hosts
test-hosts: .venv/dev ## Several machines as network namespaces, over TLS: an Optimizer killed, the Store's disk lost. Needs root.
	$(BIN)/python deploy/test/hosts.py

locks: .venv/deploy/done ## Write docker/*.lock anew: the newest versions within constraints.txt, with hashes.
	UV=.venv/deploy/bin/uv sh docker/lock.sh

test-ray: .venv/ray ## Trials on a real Ray cluster, one worker of which is killed; a few minutes.
	$(BIN)/python -m pytest -p no:xdist tests/trainer/ray_cluster.py tests/examples/ray_tune_lane.py $(ARGS)

setup: .venv/dev ## Install everything for development into .venv.

up: .venv/demo ## Start the three services on this machine.
	$(BIN)/paretune up

protos: .venv/protos/done ## Generate src/paretune/v1 from protos/.
	.venv/protos/bin/python tools/gen_protos.py

bench: .venv/bench/done ## Our engine beside its peers, resumable; see benchmarks/README.md for short and long runs.
	.venv/bench/bin/python -m benchmarks.comparison $(ARGS)

throughput: .venv/dev .venv/bench/done .venv/vizier/done ## Acknowledged observations, and whole trials beside Optuna, Vizier and a bare server, per second.
	$(BIN)/python benchmarks/store_throughput.py | tee benchmarks/published/throughput.txt
	.venv/bench/bin/python benchmarks/trials_throughput.py --workers 1 --workers 16 --workers 32 | tee -a benchmarks/published/throughput.txt

clean: ## Remove what was built or measured; nothing that git tracks.
	rm -rf .venv build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "paretune needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/demo: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing paretune and PyTorch into .venv (a few minutes the first time) ..."
	$(PIP) -e '.[torch,dashboard]'
	@touch $@

.venv/ray: pyproject.toml constraints.txt | .venv/dev
	$(PIP) -e '.[ray]'
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing paretune, PyTorch, TensorFlow and the tools into .venv (a few minutes the first time) ..."
	$(PIP) -e '.[torch,tensorflow,dashboard,dev]'
	@touch $@ .venv/demo

.venv/security: pyproject.toml constraints.txt | .venv/dev
	$(PIP) -e '.[security]'
	@touch $@

# The peers of the benchmarks, which paretune itself never needs.
.venv/bench/done: benchmarks/requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m venv .venv/bench
	.venv/bench/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt -e . -r $<
	@touch $@

# OSS Vizier, one of the peers, needs libraries of its time.
.venv/vizier/done: benchmarks/vizier-requirements.txt
	python3.11 -m venv .venv/vizier
	.venv/vizier/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

# The generator of the documentation site, which nothing else needs.
.venv/docs/done: docs/requirements.txt .venv/dev
	$(BIN)/python -m venv .venv/docs
	.venv/docs/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

# The tools of the deploy test, which nothing else needs.
.venv/deploy/done: deploy/requirements.txt .venv/dev
	$(BIN)/python -m venv .venv/deploy
	.venv/deploy/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

# The generator of the stubs needs an older protobuf than the services run with.
.venv/protos/done: tools/requirements-protos.txt | .venv/bin/python
	$(BIN)/python -m venv .venv/protos
	.venv/protos/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

# The browser of the dashboard's tests; CHROMIUM=PATH names another one.
chromium:
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the tests of the dashboard ..."; \
	    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null; \
	  else \
	    echo "The tests of the dashboard need Chromium: run 'sudo apt-get install -y chromium', or set CHROMIUM=PATH."; exit 1; \
	  fi; }
