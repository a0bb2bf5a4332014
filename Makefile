# Builds the six stages, shows them, compares them and tests them.
# `make help` tells what there is. CC, CFLAGS and LDFLAGS work as everywhere.

STAGES = 01-blocking 02-fork 03-select 04-poll 05-epoll 06-eventloop

all: $(STAGES)

$(STAGES):
	@$(MAKE) -q --no-print-directory -C $@ 2>/dev/null || $(MAKE) --no-print-directory -C $@

tools:
	@$(MAKE) --no-print-directory -s -C tests/tools

help:
	@cat tests/help.txt

demo: all tools
	@tests/tools/demo $(STAGES)

test: all
	@tests/run

test-course: all
	@PART=course tests/run

diff-%:
	@tests/diff $*

step-%:
	@docs/steps/step $*

steps-update:
	@docs/steps/update

trace-%: all
	@tests/trace $*

lab-%: tools
	@tests/labs/lab $*

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

timeline: all tools
	@tests/bench/timeline

guard: all tools
	@tests/bench/guard

soak: all tools
	@tests/soak

rounds: all tools
	@tests/rounds $(N)

lint:
	@tests/lint

sanitize:
	@tests/sanitize

valgrind: all
	@tests/valgrind

clean:
	@for dir in $(STAGES) tests/tools; do $(MAKE) -s -C $$dir clean; done
	@rm -rf .build

.PHONY: all $(STAGES) tools help demo test test-course bug-list bugs bench bench-peers \
	steps-update timeline guard soak rounds lint sanitize valgrind clean
