# labs -- the starters build, the suite finds their holes, and can grade them

load ../lib/stage

setup()
{
    stage_setup
    rm -rf "$BATS_TEST_TMPDIR/project"
    mkdir "$BATS_TEST_TMPDIR/project"
    cp -R "$ROOT_DIR"/0[1-6]-* "$ROOT_DIR/tests" "$BATS_TEST_TMPDIR/project"
    cd "$BATS_TEST_TMPDIR/project" || return 1
}
teardown() { stage_teardown; }

# The stages that can be built here have a starter each.
lab_stages()
{
    local dir

    for dir in 0[1-6]-*/; do
        [ ! -x "$dir/server" ] || echo "${dir%/}"
    done
}

@test "labs: every starter builds, and has the holes that holes.txt lists" {
    local stage dir holes

    for stage in $(lab_stages); do
        docs/labs/lab "${stage%%-*}"
        dir=.build/lab/$stage
        make -s -C "$dir" >make.log 2>&1 || {
            cat make.log
            return 1
        }
        holes=$(grep -c "^== $stage " docs/labs/holes.txt)
        [ "$holes" -gt 0 ]
        [ "$(cat "$dir"/*.c | grep -c 'YOUR TURN')" -eq "$holes" ]
    done
}

@test "labs: no starter passes while it has its holes" {
    local stage dir

    for stage in $(lab_stages); do
        docs/labs/lab "${stage%%-*}"
        dir=.build/lab/$stage
        make -s -C "$dir" >make.log 2>&1
        SERVER_CMD=("$dir/server")
        # One after the other, as the holes of 02 leave it, is too late.
        if server_start && peer -n 2 -t 2 echo:1 pause:1500 fin end; then
            fail_because 00 "a starter of $stage that fails" "it echoes" \
                "its holes make no difference"
        fi
        stage_teardown || true # the status is that of the killed server
    done
}

@test "labs: the solution shown is the stage as it stands" {
    local stage dir

    for stage in $(lab_stages); do
        docs/labs/lab "${stage%%-*}"
        dir=.build/lab/$stage
        docs/labs/lab --solution "${stage%%-*}" >solution.diff
        grep -q '^+' solution.diff
        (cd "$dir" && sed "s,^--- starter/,--- ,; s,^+++ $stage/,+++ ," \
            ../../../solution.diff | patch -s -p0)
        cmp "$dir/server.c" "$stage/server.c"
        cmp "$dir/client.c" "$stage/client.c"
    done
}
