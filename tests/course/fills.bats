#!/usr/bin/env bats
# fills -- no wrong fill of a lab's holes passes
#
# In a file of its own, as files run side by side and this takes a minute.

load ../lib/stage

@test "fills: none that is wrong passes" {
    # What they miss they may miss soon.
    JOBS=3 PATIENCE=5 TABLE=$TESTS_DIR/wrong/labs "$TESTS_DIR/wrong/run"
}
