#!/usr/bin/env bats
# The suite grades servers that are none of the stages: what it says of two echo
# servers in Node, one with backpressure and one without, and of one that the
# fault shim does not reach.

# Names that lib/stage sets.
# shellcheck disable=SC2153

load ../lib/stage

setup()
{
    stage_setup
}

teardown()
{
    stage_teardown
}

# grade VAR=…: runs a part of the suite on a SERVER, as `make test SERVER=…`
# does. Sets STATUS and REPORT_FILE.
grade()
{
    # Nothing of the run that this test is in may reach the other one. Bats
    # puts a folder before the user's PATH where `bats` means something else.
    start grade env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="${HOME:-/}" \
        TMPDIR="$BATS_TEST_TMPDIR" STAGES_DIR="$STAGES_DIR" "$@" \
        "$TESTS_DIR/run"
    wait_for_exit "$LAST_PID" 120
    REPORT_FILE=$BATS_TEST_TMPDIR/grade.out
    cat "$REPORT_FILE" "$BATS_TEST_TMPDIR/grade.err"
}

# grade_node MODE: the same on Node's echo server in that mode.
grade_node()
{
    need node
    need_proc # tells how much memory a server holds
    grade SERVER="node '$TESTS_DIR/interop/echo-server.js' $1" \
        FILES='echo.bats limits.bats' \
        FILTER='^(echoes [08N]|answers|after the peer|a peer that never)'
}

# count REGEX: prints how many lines of the report match.
count()
{
    grep -cE "$1" "$REPORT_FILE" || true
}

# sleeps_at_first: true at the third look; at the first, the machine sleeps for
# a minute.
sleeps_at_first()
{
    looks=$((looks + 1))
    if [ "$looks" -eq 1 ]; then
        SECONDS=$((SECONDS + 60))
    fi
    [ "$looks" -ge 3 ]
}

@test "grading: a deadline counts what is waited, not what a machine sleeps" {
    local looks=0

    wait_until 5 sleeps_at_first
    if wait_until 1 false; then
        fail "a deadline that never comes"
    fi
}

@test "grading: Node with pipe(), which has backpressure, passes" {
    grade_node pipe
    [ "$STATUS" -eq 0 ]
    [ "$(count '^not ok')" -eq 0 ]
    [ "$(count '^ok .*a peer that never reads costs no memory[^#]*$')" -eq 1 ]
    [ "$(count '^ok .*echoes .*[^#]*$')" -ge 3 ]
}

@test "grading: Node's plain example fails for want of backpressure, only" {
    grade_node plain
    [ "$STATUS" -eq 1 ]
    [ "$(count '^not ok')" -eq 1 ]
    [ "$(count '^not ok .*a peer that never reads costs no memory')" -eq 1 ]
    [ "$(count '^# likely: .*no backpressure')" -eq 1 ]
    [ "$(count '^ok .*echoes .*[^#]*$')" -ge 3 ]
}

# grade_example COMMAND: one of docs/examples keeps what every server promises.
grade_example()
{
    grade SERVER="$1" FILES='server/args.bats echo.bats server/surroundings.bats'
    [ "$STATUS" -eq 0 ]
    [ "$(count '^ok .*echoes .*[^#]*$')" -ge 3 ]
}

@test "grading: the example in Node passes" {
    need node
    grade_example "node '$ROOT_DIR/docs/examples/my-echo.js'"
}

@test "grading: the example in Python passes" {
    need python3
    grade_example "python3 '$ROOT_DIR/docs/examples/my-echo.py'"
}

@test "grading: the example in Go passes" {
    need go
    HOME=$BATS_TEST_TMPDIR go build -o "$BATS_TEST_TMPDIR/my-echo" \
        "$ROOT_DIR/docs/examples/my-echo.go"
    grade_example "'$BATS_TEST_TMPDIR/my-echo'"
}

# grade_raw [OPTION]: the same on a server that makes its system calls itself,
# linked with that option. The tests that bend calls are skipped for it.
grade_raw()
{
    need_tool shim.so
    ${CC:-cc} "$@" -o "$BATS_TEST_TMPDIR/raw" \
        "$TESTS_DIR/interop/raw-server.c" || skip "it cannot be linked $*"
    grade SERVER="'$BATS_TEST_TMPDIR/raw'" LIKE=01-blocking \
        FILES='echo.bats schedules.bats'
    [ "$STATUS" -eq 0 ]
    [ "$(count '^ok .*seeded schedule.*# skip the shim does not reach')" -eq 1 ]
    [ "$(count '^ok .*echoes .*[^#]*$')" -ge 3 ]
}

@test "grading: a program that makes its system calls itself" {
    grade_raw
}

@test "grading: a program that is linked statically" {
    grade_raw -static
}
