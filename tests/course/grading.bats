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
        FILES='echo.bats schedules.bats' REPORT=junit,tap \
        REPORTS="$BATS_TEST_TMPDIR"
    [ "$STATUS" -eq 0 ]
    [ "$(count '^ok .*seeded schedule.*# skip the shim doesn.t reach')" -eq 1 ]
    # The reason is the same in the reports.
    grep -q "seeded schedule.* # skip the shim doesn't reach" \
        "$BATS_TEST_TMPDIR/graded.tap"
    grep -q '<skipped message="the shim doesn' "$BATS_TEST_TMPDIR/graded.xml"
    [ "$(count '^ok .*echoes .*[^#]*$')" -ge 3 ]
}

@test "grading: a program that makes its system calls itself" {
    grade_raw
}

@test "grading: a program that is linked statically" {
    grade_raw -static
}

@test "grading: a server that names the port of another hears so" {
    need_proc
    server_start
    grade RUN_AS=env RUN_DIR="$BATS_TEST_TMPDIR" FILES=echo.bats \
        FILTER='^answers at' SERVER="sh -c 'echo it listens on localhost:$PORT
            exec sleep 60'"
    [ "$(count "^# likely: .*another server's port")" -eq 1 ]
    grade RUN_AS=env RUN_DIR="$BATS_TEST_TMPDIR" FILES=echo.bats \
        FILTER='^answers at' SERVER="'$STAGES_DIR/$STAGE/server'"
    [ "$STATUS" -eq 0 ]
}

@test "grading: a client that copies stdin hears so, and nothing else" {
    grade CLIENT='sh -c cat'
    [ "$(count "^  likely: .*read from stdin")" -eq 1 ]
    [ "$(count '^0 passed, 1 failed')" -eq 1 ]
}

# grade_class VAR=…: grades the class in $BATS_TEST_TMPDIR/class; what is kept
# goes to $BATS_TEST_TMPDIR/grades.
grade_class()
{
    start class env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="${HOME:-/}" \
        GRADES="$BATS_TEST_TMPDIR/grades" "$@" \
        "$ROOT_DIR/docs/grading/grade" "$BATS_TEST_TMPDIR/class"
    wait_for_exit "$LAST_PID" 300
    cat "$BATS_TEST_TMPDIR"/class.*
    [ "$STATUS" -eq 0 ]
}

# summary: prints it with the essence of each remark, and without what the
# system can hide. Where that isn't everything, one cheat may get through.
summary()
{
    sed 's/"start with: \([a-z]*: [a-z]* [a-z]*\).*",/\1,/
        s/"server.c:.*error.*",/error,/
        s/"[a-z]*: \*\*\*.*",/error,/' summary.csv |
        if grep -q '+files"$' summary.csv; then cat; else sed '/finds/d'; fi |
        sed 's/,[^,]*$//'
}

@test "grading: a class of twelve, with all that students hand in" {
    local dir

    "$TESTS_DIR/course/class" "$BATS_TEST_TMPDIR/class"
    # Short, as three of the class hang.
    grade_class LIKE=01-blocking BUILD_LIMIT=10 PATIENCE=5 \
        FILES='echo.bats args.bats exchange.bats' \
        FILTER='^(echoes 0|answers at|too many|ends on SIG|client: a small)'
    cd "$BATS_TEST_TMPDIR/grades"
    summary >../summary
    cat >../expected <<'CSV'
name,status,points,server/echo,server/args,client/exchange,skipped,remark
"'-carol",does not echo,33.3,0 of 2,0 of 2,1 of 1,0,server: answers at
"O'Brien ""Bob"" Müller",graded,100,2 of 2,2 of 2,1 of 1,0,
alice,graded,100,2 of 2,2 of 2,1 of 1,0,
cheat who finds the stage,does not echo,0,0 of 2,0 of 2,0 of 1,0,server: answers at
cheat who has it built,does not build,0,0 of 2,0 of 2,,0,error
cheat who writes results,graded,83.3,2 of 2,1 of 2,1 of 1,0,server: too many
hangs at exit,graded,83.3,2 of 2,1 of 2,1 of 1,0,server: ends on
hangs at start,does not echo,33.3,0 of 2,0 of 2,1 of 1,0,server: answers at
hangs in make,does not build,0,0 of 2,0 of 2,,0,make takes longer than 10 s
leaves processes,graded,100,2 of 2,2 of 2,1 of 1,0,
"new?line",does not build,0,0 of 2,0 of 2,,0,error
prints TAP,graded,83.3,2 of 2,1 of 2,1 of 1,0,server: too many
CSV
    grep -q '+files"$' summary.csv || sed -i.all '/finds/d' ../expected
    diff ../expected ../summary
    not pgrep -f 'sleep 1847'
    for dir in ./*/; do
        [ -s "$dir/feedback.txt" ]
        ! command -v xmllint >/dev/null || xmllint --noout "$dir/results.xml"
        ! command -v prove >/dev/null ||
            not grep 'Parse errors' <<<"$(prove --exec cat "$dir/results.tap")"
    done
    # What it prints is told, and is no result.
    grep -qx '#   ok 1 server: answers at once' 'prints TAP/results.tap'
    grep -q '^    server.c:.*error' ./'new?line.'*/feedback.txt
    # A test has the same name for all.
    grep -h '^ok' ./*/results.tap | cut -d' ' -f3- | sort -u >../names
    [ "$(wc -l <../names)" -eq 5 ]
}

@test "grading: a stage that is handed in is graded as strictly as ours" {
    local class=$BATS_TEST_TMPDIR/class name

    for name in bug short; do
        mkdir -p "$class/$name"
        cp "$ROOT_DIR"/04-poll/*.c "$class/$name"
    done
    mkdir "$class/empty" "$class/.hidden"
    touch "$class/a file"
    # Whichever Makefile they have, or none: the stage's builds it.
    printf 'all:\n\tfalse\n' >"$class/bug/GNUmakefile"
    # A SERVER may say it in other words.
    sed -i.orig 's/"bind: /"no: /' "$class/bug/server.c"
    # Only a sanitizer sees this.
    sed -i.orig 's/fds, (n + 1) [*] /fds, n * /' "$class/short/server.c"
    grade_class STAGE=04-poll FILES='args.bats echo.bats' \
        FILTER='^(an address that is not|serves 100)'
    cut -d, -f 1-5 "$BATS_TEST_TMPDIR/grades/summary.csv" | diff - <(cat <<'CSV'
name,status,points,server/echo,server/args
bug,graded,50,1 of 1,0 of 1
empty,does not build,0,0 of 1,0 of 1
short,graded,50,0 of 1,1 of 1
CSV
    )
    grep -q "isn't a folder: a file" "$BATS_TEST_TMPDIR/class.err"
    grep -q 'with a dot: .hidden' "$BATS_TEST_TMPDIR/class.err"
}

@test "grading: a zip's own folder, a script, Latin-1, and what is skipped" {
    local class=$BATS_TEST_TMPDIR/class name

    need_tool shim.so
    for name in $'M\374ller/work' script static; do
        mkdir -p "$class/$name"
        cp "$ROOT_DIR"/01-blocking/{*.c,Makefile} "$class/$name"
    done
    printf '#!/bin/sh\nexec cat\n' >"$class/script/server"
    printf 'all:\n\tchmod +x server\n' >"$class/script/Makefile"
    sed -i.orig 's/-o/-static -o/' "$class/static/Makefile"
    grade_class LIKE=01-blocking SKIPPED=failed FILES=schedules.bats \
        FILTER='^accept comes late'
    cd "$BATS_TEST_TMPDIR/grades"
    sed 's/"start.*",/,/; s/,[^,]*$//' summary.csv | diff - <(cat <<'CSV'
name,status,points,server/schedules,skipped,remark
"M?ller",graded,100,1 of 1,0,
script,does not build,0,0 of 1,0,server was removed: make has to build it
static,graded,0,0 of 1,0,
CSV
    )
    # The reason comes first, and no list of what wasn't run.
    [ "$(sed -n 4p script/feedback.txt)" = 'make says:' ]
}

@test "grading: the bundle for Gradescope grades a submission" {
    local autograder=$BATS_TEST_TMPDIR/autograder

    need python3
    need unzip
    need zip
    LIKE=01-blocking FILES='echo.bats args.bats' \
        FILTER='^(answers at|too many)' "$ROOT_DIR/docs/grading/bundle"
    mkdir -p "$autograder/source" "$autograder/submission"
    unzip -q "$ROOT_DIR/.build/autograder.zip" -d "$autograder/source"
    [ -x "$autograder/source/setup.sh" ]
    cp "$ROOT_DIR"/01-blocking/*.[ch] "$ROOT_DIR/01-blocking/Makefile" \
        "$autograder/submission"
    sed 's/exit(2)/exit(3)/' "$ROOT_DIR/01-blocking/server.c" \
        >"$autograder/submission/server.c"
    start autograder env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" \
        AUTOGRADER="$autograder" "$autograder/source/run_autograder"
    wait_for_exit "$LAST_PID" 100
    cat "$BATS_TEST_TMPDIR"/autograder.* "$autograder/results/results.json"
    python3 - "$autograder/results/results.json" <<'PYTHON'
import json, sys
graded = json.load(open(sys.argv[1]))
assert graded['score'] == 50, graded['score']
assert 'too many arguments' in graded['output']
assert [t['status'] for t in graded['tests']] == ['passed', 'failed']
assert graded['tests'][1]['output'].startswith('(in test file')
PYTHON
}
