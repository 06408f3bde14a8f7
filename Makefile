# Every target is one call of bootstrap.py, which builds .venv first where it is missing or out of date.
# A command takes its own arguments from ARGS: make pytest ARGS="tests/test_routing.py -k tie"

PYTHON ?= python3
UV ?= $(shell command -v uv || echo .tools/bin/uv)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

.PHONY: demo test check pytest promises lock clean

demo:    ## generates text with the embedded model, every token coloured by the expert that read it
	@$(PYTHON) bootstrap.py demo $(ARGS)

test:    ## everything that must hold: formatting, lints, types, floors, tests
	@$(PYTHON) bootstrap.py test $(ARGS)

check:   ## the same, under the name that developers look for
	@$(PYTHON) bootstrap.py check $(ARGS)

pytest:  ## only the tests, or some of them
	@$(PYTHON) bootstrap.py pytest $(ARGS)

promises: ## what the server is said to bear, tried in full: docs/reliability.md
	@$(PYTHON) bootstrap.py python -m benchmarks.promises $(ARGS)

# torch stays at the version that is pinned now; what torch itself pins (the CUDA libraries) is left to torch, and
# what only a browser's Python needs is left out.
lock:    ## pins every other package anew, as of today
	@grep '^torch==' constraints.txt > .torch.pin
	@$(UV) pip compile --quiet --universal --upgrade --all-extras --no-header --no-annotate --no-emit-index-url \
	    --constraint .torch.pin pyproject.toml \
	    | sed -E "/^(nvidia-|cuda-)|== 'emscripten'/d; s/ ; sys_platform != 'emscripten'//" > .constraints.new
	@mv .constraints.new constraints.txt && rm .torch.pin

clean:   ## removes what bootstrap.py built; nothing else
	rm -rf .venv .venv.old .tools
