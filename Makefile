# Builds the six stages, shows them, compares them and tests them.
# `make help` tells what there is. CC, CFLAGS and LDFLAGS work as everywhere.

# The scripts build with the make that called them, which the BSDs call gmake.
export MAKE
# What these would change in every script: where cd goes and what it prints,
# what bash runs first and which options it has, and how grep prints.
unexport CDPATH BASH_ENV ENV SHELLOPTS BASHOPTS POSIXLY_CORRECT
unexport GREP_OPTIONS GREP_COLOR GREP_COLORS

STAGES = 01-blocking 02-fork 03-select 04-poll 05-epoll 06-eventloop

all: $(STAGES)

$(STAGES):
	@$(MAKE) -q --no-print-directory -C $@ 2>/dev/null || $(MAKE) --no-print-directory -C $@

# diff-03-select is diff-03, as are the others.
number = $(firstword $(subst -, ,$*))

tools:
	@$(MAKE) --no-print-directory -s -C tests/tools

help:
	@cat docs/tools/help.txt

demo: all .build/demo
	@.build/demo $(STAGES)

.build/demo: docs/tools/demo.c
	@mkdir -p .build
	$(CC) -std=c11 -D_DEFAULT_SOURCE -O2 $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ docs/tools/demo.c

test: all
	@tests/run

test-course: all
	@PART=course tests/run

diff-%:
	@docs/tools/diff $(number)

step-%:
	@docs/steps/step $(number)

steps-update:
	@docs/steps/update

trace-%: all
	@docs/tools/trace $(number)

site:
	@docs/site/build

lab-%: tools
	@docs/labs/lab $(number)

# check-lab-03: before any target check-%, as old makes take the first.
check-lab-%: tools
	@docs/labs/lab --check $(number)

# CLASS may have any name: the shell has it from the environment.
grade: tools
	@docs/grading/grade "$$CLASS"

grade-bundle:
	@docs/grading/bundle

exercise-%:
	@docs/exercises/exercise $*

check-%: tools
	@docs/exercises/exercise --check $*

# SERVER and SCENARIO: from the environment, as CLASS.
replay:
	@if [ -n "$$SERVER" ]; then \
		docs/replay/record --server "$$SERVER" "$${SCENARIO:-silent}" && \
		docs/replay/build .build/replay/recordings; \
	else docs/replay/build; fi

replay-%:
	@docs/replay/record $(number) $$SCENARIO && \
		docs/replay/build .build/replay/recordings

bug-list:
	@tests/bugs/lab --list

bug-%: tools
	@tests/bugs/lab $*

bugs: all tools
	@tests/bugs/run

bench: all tools
	@tests/bench/run

bench-peers: all tools
	@tests/bench/peers

conformance: all tools
	@tests/conformance/run $(NAMES)

timeline: all tools
	@tests/bench/timeline

guard: all tools
	@tests/bench/guard

soak: all tools
	@.ci/soak

rounds: all tools
	@.ci/rounds $(N)

lint:
	@.ci/lint

sanitize:
	@.ci/sanitize

valgrind: all
	@.ci/valgrind

mutants:
	@.ci/mutants $(FILE)

.PHONY: mutants

clean:
	@for dir in $(STAGES) tests/tools; do $(MAKE) -s -C $$dir clean; done
	@rm -rf .build

.PHONY: all $(STAGES) tools help demo test test-course grade grade-bundle \
	replay site bug-list bugs bench bench-peers conformance \
	steps-update timeline guard soak rounds lint sanitize valgrind clean
