PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := .venv-run
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

unexport PYTHONDONTWRITEBYTECODE  # every process that a test starts would compile the SDKs anew

.DEFAULT_GOAL := help
.PHONY: help demo test test-deep test-busy test-slow test-postgres test-browser check docs playground crash crash-plans mutants pictures conformance clients evals tokens bundle release release-try renovate-check interpreters containers containers-check evening docs-site bench lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --require-hashes --requirement requirements/dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(RUN)/.ready: requirements/run.txt requirements/build.txt pyproject.toml
	@$(PYTHON) packaging/run_environment.py $(RUN)
	@touch $@

demo: $(RUN)/.ready ## Play five stories against the built-in simulators
	@$(RUN)/bin/vpsops demo

test: $(VENV)/.ready ## Run every test that needs nothing else
	$(BIN)/python -m pytest -n auto --dist worksteal -q -m 'not slow'

test-deep: $(VENV)/.ready ## Draw twenty times as many examples for every property test
	TEST_DEEP=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q -m hypothesis

test-busy: $(VENV)/.ready ## Run every test of `make test` once beside a busy loop
	$(BIN)/python -m tests.busy $(MAKE) test

test-slow: $(VENV)/.ready $(VENV)/containers/.ready $(VENV)/release/.ready ## Run the tests that start whole processes or wait for seconds
	$(BIN)/python -m pytest -n 3 --dist worksteal -q -m slow

test-postgres: $(VENV)/.ready ## Run the tests that a database makes a difference to on a real PostgreSQL
	TEST_POSTGRES=1 $(BIN)/python -m pytest -n 3 --dist worksteal -q

build/axe: Makefile
	npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix $@ axe-core@4.14.1
	@touch $@

test-browser: $(VENV)/.ready build/axe ## Play the tour's scenes in the system's Chromium (needs npm); pictures go to build/browser
	$(BIN)/python -m pytest -q tests/browser

check: $(VENV)/.ready ## Formatting, lint, types, architecture, generated pages, style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.docs.generate --check
	$(BIN)/python -m tests.transcripts --check
	$(BIN)/python -m tests.packaging
	$(BIN)/python -m pytest -q tests/house

playground: $(RUN)/.ready ## Try the whole product in a browser, with no Slack and no account
	@$(RUN)/bin/vpsops playground

docs: $(VENV)/.ready ## Rewrite the generated pages
	$(BIN)/python -m tests.docs.generate
	$(BIN)/python -m tests.transcripts

crash-plans: $(VENV)/.ready ## Kill processes forty times while 400 members of plans run
	$(BIN)/python -m tests.crash --members 400 --plans 11 --ends 12 --changes 20 --kills 40 --hold 60 --seeds 1

crash: $(VENV)/.ready ## Kill and freeze whole processes at random, on SQLite and PostgreSQL
	$(BIN)/python -m tests.crash
	$(MAKE) crash-plans
	$(BIN)/python -m tests.crash --freeze --changes 60 --kills 6 --seeds 4
	$(BIN)/python -m tests.crash --scenarios

mutants: $(VENV)/.ready ## Put small faults into copies of the deciding modules: do the tests notice?
	$(BIN)/python -m tests.mutants $(if $(SEED),--seed $(SEED)) $(if $(DRAW),--draw $(DRAW))

pictures: $(VENV)/.ready ## Draw what people see in Slack into docs/pictures (needs Chromium)
	$(BIN)/python -m tests.browser.slack_pictures

conformance: $(VENV)/.ready ## Run the public MCP conformance suites against the server (needs npm)
	$(BIN)/python -m tests.conformance

clients: $(VENV)/.ready ## Try ten real clients, pinned, and write docs/clients.md (needs the package indexes)
	$(BIN)/python -m tests.clients

evals: $(VENV)/.ready ## Play the operator scenarios; MODEL="command" plugs an agent in
	$(BIN)/python -m tests.evals $(if $(MODEL),--model "$(MODEL)")

bundle: $(VENV)/.ready ## Pack build/vpsops-VERSION.mcpb, which hosts install, by its own tool (needs npm)
	$(BIN)/python -m tests.packaging.registry

$(VENV)/containers/.ready: requirements/containers.txt
	$(PYTHON) -m venv --clear $(VENV)/containers
	$(VENV)/containers/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement $<
	@touch $@

containers-check: $(VENV)/.ready $(VENV)/containers/.ready ## Check the Containerfile, the chart and the manifests by their own tools
	$(VENV)/containers/bin/python tests/packaging/containers/checks.py
	$(BIN)/python -m tests.packaging.licences requirements/containers.txt $(VENV)/containers

containers: $(VENV)/.ready containers-check ## Build the image on Debian's packages and run it (needs mmdebstrap, buildah, podman, runc)
	$(BIN)/python -m tests.packaging.containers

evening: $(VENV)/.ready ## Play a platform engineer's evening on a clean Debian with systemd (needs root, mmdebstrap, systemd-container)
	$(BIN)/python -m tests.packaging.evening

$(VENV)/site/.ready: requirements/docs.txt
	$(PYTHON) -m venv --clear $(VENV)/site
	$(VENV)/site/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement $<
	@touch $@

docs-site: $(VENV)/.ready $(VENV)/site/.ready ## Build the site of docs/ into build/site; a link that leads nowhere is an error
	$(BIN)/python -m tests.packaging.licences requirements/docs.txt $(VENV)/site
	NO_MKDOCS_2_WARNING=1 $(VENV)/site/bin/mkdocs build --config-file packaging/site/mkdocs.yml

$(VENV)/release/.ready: requirements/release.txt
	$(PYTHON) -m venv --clear $(VENV)/release
	$(VENV)/release/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement $<
	@touch $@

release: $(VENV)/.ready $(VENV)/containers/.ready $(VENV)/release/.ready ## Make the files of a release in dist/, of the commit that is checked out (needs npm; buildah and mmdebstrap for the image)
	$(BIN)/python -m tests.packaging.licences requirements/release.txt $(VENV)/release
	$(BIN)/python -m tests.packaging.release dist

renovate-check: $(VENV)/.ready ## Check renovate.json against its schema (needs npm)
	$(BIN)/python -m tests.packaging.renovate

release-try: $(VENV)/.ready $(VENV)/containers/.ready $(VENV)/release/.ready ## As release, of what is unreleased and without the image, in build/release
	$(BIN)/python -m tests.packaging.licences requirements/release.txt $(VENV)/release
	$(BIN)/python -m tests.packaging.release --unreleased --no-image build/release

interpreters: $(VENV)/.ready ## Install the wheels into every other Python there is, and play the demonstration there
	$(BIN)/python -m tests.packaging.interpreters

tokens: $(VENV)/.ready ## Count the tools' tokens with the vocabulary itself (needs Node and npm)
	npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix build/tokens gpt-tokenizer@4.0.0
	$(BIN)/python -m tests.tokens build/tokens/node_modules/gpt-tokenizer

bench: $(VENV)/.ready ## Measure, and write docs/benchmarks.md
	$(BIN)/python -m tests.bench

UV := $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
BUILD_REQUIRES := $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

lock: ## Refresh the hash-pinned requirements (no address enters them)
	$(PYTHON) -m venv --clear $(VENV)/lock && $(VENV)/lock/bin/python -m pip install --quiet --require-hashes --requirement requirements/lock.txt
	$(UV) --output-file requirements/run.txt pyproject.toml
	$(UV) --output-file requirements/dev.txt --group dev --constraint requirements/run.txt pyproject.toml
	$(UV) --output-file requirements/otel.txt --extra otel --constraint requirements/run.txt pyproject.toml
	$(UV) --output-file requirements/converters.txt --group converters
	$(UV) --output-file requirements/containers.txt --group containers
	$(UV) --output-file requirements/docs.txt --group docs
	$(UV) --output-file requirements/release.txt --group release
	$(BUILD_REQUIRES) | $(UV) --output-file requirements/build.txt --constraint requirements/dev.txt -
	echo uv | $(UV) --output-file requirements/lock.txt -

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(RUN) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
