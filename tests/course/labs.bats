#!/usr/bin/env bats
# labs -- the starters build, the suite finds their holes, and can grade them

load ../lib/stage

setup()
{
    stage_setup
    cd "$PROJECT" || return
}
teardown() { stage_teardown; }

# A starter of each stage that can be built here, in a copy of the project,
# whose path is one that a reader may have.
setup_file()
{
    local stage

    export PROJECT=$BATS_FILE_TMPDIR/'my übung'
    mkdir -p "$PROJECT/docs"
    cp -R "$ROOT_DIR"/0[1-6]-* "$PROJECT"
    cp -R "$ROOT_DIR/docs/labs" "$PROJECT/docs"
    cd "$PROJECT" || return
    for stage in 0[1-6]-*; do
        [ -x "$stage/server" ] || continue
        docs/labs/lab "${stage%%-*}"
        ${MAKE:-make} -s -C ".build/lab/$stage" 2>&1
    done
}

@test "labs: each starter has the holes that holes.txt lists" {
    local dir

    for dir in .build/lab/*; do
        [ "$(cat "$dir"/*.c | grep -c 'YOUR TURN')" -eq \
            "$(grep -c "^== ${dir##*/} " docs/labs/holes.txt)" ]
        grep -q 'YOUR TURN' "$dir/server.c"
    done
}

@test "labs: no starter passes while it has its holes" {
    local dir

    for dir in .build/lab/*; do
        SERVER_CMD=("$dir/server")
        # One after the other, as the holes of 02 leave it, is too late.
        if server_start && peer -n 2 -t 2 echo:1 pause:1500 fin end; then
            fail_because echo \
                "a starter of ${dir##*/} that fails" "it echoes" \
                "its holes make no difference"
        fi
        stage_teardown || true # the status is that of the killed server
    done
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
