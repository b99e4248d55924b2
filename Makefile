# Two commands matter: `make demo` and `make test`. Each installs what it needs, says so, and is quick when run again.
# Overridable: make demo ARGS=--serve

SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3

.PHONY: demo test check bench peers fuzz package screenshots translations clean

demo: $(VENV)/demo.stamp
	@$(VENV)/bin/cps-agent demo $(ARGS)

test: $(VENV)/test.stamp
	@installer/linux/test $(ARGS)

check: $(VENV)/test.stamp
	@installer/linux/test --checks-only

bench: $(VENV)/test.stamp
	@cd tests && ../$(VENV)/bin/python -m benchmarks $(ARGS)

# A workstation with test cards, a DMP, an INSi, a login and a mailbox, for the examples of tests/peers; until Ctrl-C.
peers: $(VENV)/test.stamp
	@cd tests && ../$(VENV)/bin/python -m peers

fuzz: $(VENV)/fuzz.stamp
	@cd tests && ../$(VENV)/bin/python -m fuzz $(ARGS)

screenshots: $(VENV)/test.stamp
	@cd tests && ../$(VENV)/bin/python -m screenshots $(ARGS)

package: $(VENV)/package.stamp
	@installer/linux/package $(ARGS)

$(VENV)/demo.stamp: pyproject.toml constraints.txt installer/linux/prepare
	@installer/linux/prepare demo

$(VENV)/package.stamp: pyproject.toml constraints.txt installer/linux/prepare
	@installer/linux/prepare package

$(VENV)/fuzz.stamp: pyproject.toml constraints.txt installer/linux/prepare
	@installer/linux/prepare fuzz

$(VENV)/test.stamp: pyproject.toml constraints.txt package.json installer/linux/prepare
	@installer/linux/prepare test

translations: $(VENV)/test.stamp
	@mkdir -p build
	$(VENV)/bin/pybabel -q extract --no-location --omit-header -k gettext -k ngettext:1,2 -o build/cps-agent.pot agent
	$(VENV)/bin/pybabel -q update -w 120 -D cps-agent -l fr --no-fuzzy-matching -i build/cps-agent.pot -d agent/people/locale
	$(VENV)/bin/pybabel -q compile -D cps-agent -d agent/people/locale

clean:
	rm -rf $(VENV) node_modules build dist
