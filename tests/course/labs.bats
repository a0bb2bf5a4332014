#!/usr/bin/env bats
# labs -- the starters build, the suite finds their holes, and can grade them

load ../lib/stage

setup()
{
    stage_setup
    cp -Rp "$BATS_FILE_TMPDIR/project" "$BATS_TEST_TMPDIR/$PROJECT"
    cd "$BATS_TEST_TMPDIR/$PROJECT" || return
}
teardown() { stage_teardown; }

# A starter of each stage that can be built here, in a copy of the project,
# whose path is one that a reader may have.
setup_file()
{
    local stage

    export PROJECT='my übung'
    mkdir -p "$BATS_FILE_TMPDIR/project/docs"
    cd "$BATS_FILE_TMPDIR/project" || return
    cp -R "$ROOT_DIR"/0[1-6]-* "$ROOT_DIR/Makefile" .
    cp -R "$ROOT_DIR"/docs/[0l]* docs
    ln -s "$TESTS_DIR" tests
    for stage in 0[1-6]-*; do
        [ -x "$stage/server" ] || continue
        docs/labs/lab "${stage%%-*}"
        ${MAKE:-make} -s -C ".build/lab/$stage" 2>&1
    done
}

# told_by COMMAND…: runs it as a reader does, without anything of the run that
# this test is in. Sets STATUS and TOLD.
told_by()
{
    # Bats puts a folder before PATH where `bats` means something else.
    start told env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="${HOME:-/}" \
        TMPDIR="$BATS_FILE_TMPDIR" ${MAKE:+MAKE="$MAKE"} "$@"
    wait_for_exit "$LAST_PID" 120
    # Not where the teardown looks for what a sanitizer said.
    TOLD=$(cat "$BATS_TEST_TMPDIR/told.out" "$BATS_TEST_TMPDIR/told.err")
    rm "$BATS_TEST_TMPDIR/told.err"
    echo "$TOLD"
}

@test "labs: each starter has the holes that holes.txt lists" {
    local dir

    for dir in .build/lab/*; do
        [ "$(cat "$dir"/*.c | grep -c 'YOUR TURN')" -eq \
            "$(grep -c "^== ${dir##*/} " docs/labs/holes.txt)" ]
        grep -q 'YOUR TURN' "$dir/server.c"
    done
}

@test "labs: no starter passes while it has its holes, and each ends" {
    local dir

    for dir in .build/lab/*; do
        SERVER_CMD=("$dir/server")
        # One after the other, as the holes of 02 leave it, is too late.
        if server_start && peer -n 2 -t 2 echo:1 pause:1500 fin end; then
            fail_because echo \
                "a starter of ${dir##*/} that fails" "it echoes" \
                "its holes make no difference"
        fi
        kill -TERM "$SERVER_PID" || true
        wait_for_exit "$SERVER_PID"
    done
}

@test "labs: a starter's client ends, and harms nobody beside it" {
    local dir

    for dir in .build/lab/*; do
        SERVER_CMD=("${dir##*/}/server")
        server_start
        # What a script and its children are to each other.
        start script bash -c 'sleep 60 & echo hello | "$0" localhost "$1"
            kill $! && echo unharmed' "$dir/client" "$PORT"
        wait_for_exit "$LAST_PID"
        grep -qx unharmed "$BATS_TEST_TMPDIR/script.out" ||
            fail "the client of ${dir##*/} has killed what was beside it"
    done
}

@test "labs: a starter is told that it does not answer, and nothing else" {
    local dir number

    for dir in .build/lab/*; do
        number=${dir##*/}
        number=${number%%-*}
        told_by "${MAKE:-make}" -s "check-lab-$number"
        [ "$STATUS" -ne 0 ]
        [[ $TOLD == *'not ok 1 '${dir##*/}': answers at once'* ]]
        [[ $TOLD == *'0 passed, 1 failed, 0 skipped'* ]]
        # Once, and where no hole's own mistake shows: which hole it is.
        [ "$(grep -c 'likely: ' <<<"$TOLD")" -eq 1 ]
        [[ $number != 0[236] || $TOLD == *"isn't written yet"* ]]
    done
}

@test "labs: when the server answers, the client's first test is next" {
    cp 02-fork/server.c .build/lab/02-fork
    told_by "${MAKE:-make}" -s check-lab-02
    [[ $STATUS != 0 && $TOLD == *'not ok 1 02-fork: client: a small file'* ]]
    [[ $TOLD == *'0 passed, 1 failed, 0 skipped'* ]]
}

@test "labs: whole again, each is graded as the stage that it is" {
    local dir number

    for dir in .build/lab/*; do
        number=${dir##*/}
        number=${number%%-*}
        cp "${dir##*/}"/*.[ch] "$dir"
        # Only a stage's line has its name.
        told_by SERVER=/bin/false "${MAKE:-make}" -s "check-lab-$number" \
            FILES='echo.bats exchange.bats' \
            FILTER='^(answers|echoes 0|client: a small)'
        [[ $STATUS == 0 && $TOLD == *" ${dir##*/}: answers at once"* ]]
        [[ $TOLD == *'3 passed, 0 failed, 0 skipped'* ]]
    done
}

@test "labs: what is graded is the source as it stands, not a binary" {
    local dir=.build/lab/01-blocking

    cp 01-blocking/* "$dir"
    sed 's/write_all(conn_fd, buf, n)/0/' 01-blocking/server.c >"$dir/server.c"
    touch -t 200101010000 "$dir/server.c"
    told_by "${MAKE:-make}" -s check-lab-01
    [[ $STATUS != 0 && $TOLD == *'0 passed, 1 failed, 0 skipped'* ]]
    cp 01-blocking/server.c "$dir"
    touch -t 200001010000 "$dir/server.c"
    told_by "${MAKE:-make}" -s check-lab-01 FILTER='^answers'
    [[ $STATUS == 0 && $TOLD == *'1 passed, 0 failed, 0 skipped'* ]]
}

@test "labs: a compiler without sanitizers does, and one is told" {
    local cc=$BATS_TEST_TMPDIR/cc

    printf '%s\n' '#!/bin/sh' 'case $* in *-fsanitize*) exit 1 ;; esac' \
        "exec ${CC:-cc} \"\$@\"" >"$cc"
    chmod +x "$cc"
    told_by CC="$cc" docs/labs/lab --check 01
    [[ $TOLD == *'without sanitizers'* && $TOLD == *'answers at once'* ]]
}

@test "labs: asked for again, a lab is left alone, and the command told" {
    echo '/* mine */' >>.build/lab/03-select/server.c
    cp .build/lab/03-select/server.c mine.c
    told_by "${MAKE:-make}" -s lab-03
    [[ $STATUS == 0 ]]
    [[ $TOLD == *'as you left it'*server.c:[0-9]*'make check-lab-03'* ]]
    cmp mine.c .build/lab/03-select/server.c
}

@test "labs: asked for again, a bug is left alone, and the command told" {
    local bug=01-answers-too-much

    need git
    told_by "${MAKE:-make}" -s "bug-$bug"
    [[ $TOLD == *'one bug in it'*"make test STAGE=01-blocking STAGES_DIR="* ]]
    echo '/* mine */' >>".build/bugs/$bug/01-blocking/server.c"
    told_by "${MAKE:-make}" -s "bug-$bug"
    [[ $TOLD == *'as you left it'*"make test STAGE=01-blocking STAGES_DIR="* ]]
    grep -q mine ".build/bugs/$bug/01-blocking/server.c"
}

@test "labs: the solution shown is the stage as it stands" {
    local dir stage

    for dir in .build/lab/*; do
        stage=${dir##*/}
        cp -R "$dir" "$BATS_TEST_TMPDIR/$stage"
        docs/labs/lab --solution "${stage%%-*}" | tee solution.diff |
            sed "s,^--- starter/,--- ,; s,^+++ $stage/,+++ ," |
            patch -s -p0 -d "$BATS_TEST_TMPDIR/$stage"
        grep -q '^+' solution.diff
        cmp "$BATS_TEST_TMPDIR/$stage/server.c" "$stage/server.c"
        cmp "$BATS_TEST_TMPDIR/$stage/client.c" "$stage/client.c"
    done
}

@test "labs: any awk makes the same starters, whatever CDPATH is" {
    local awk dir

    mkdir -p bin elsewhere/docs/labs
    for awk in 'busybox awk' gawk mawk original-awk; do
        command -v "${awk%% *}" >/dev/null || continue
        printf '#!/bin/sh\nexec %s "$@"\n' "$awk" >bin/awk
        chmod +x bin/awk
        mv .build/lab starters
        for dir in starters/*; do
            dir=${dir#starters/}
            PATH=$PWD/bin:$PATH CDPATH=elsewhere:. docs/labs/lab \
                "${dir%%-*}" >/dev/null
            cmp "starters/$dir/server.c" ".build/lab/$dir/server.c"
            cmp "starters/$dir/client.c" ".build/lab/$dir/client.c"
        done
        rm -rf .build/lab
        mv starters .build/lab
    done
}
