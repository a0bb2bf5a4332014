#!/usr/bin/env bats
# steps -- every sub-step of docs/steps builds, runs, and shows what it says

load ../lib/stage

# shellcheck source=docs/steps/lib.bash
. "$ROOT_DIR/docs/steps/lib.bash"

# Each sub-step, built, is BATS_FILE_TMPDIR/NN.M/STAGE, as tests/run wants it.
setup_file()
{
    local step stage dir

    for step in $(steps); do
        stage=$(stage_of "$step")
        dir=$BATS_FILE_TMPDIR/$step/$stage
        make_step "$step" "$dir"
        make_quietly "$dir" CFLAGS='-O1 -Werror' ||
            fail "docs/steps/$step.patch does not build (see above)"
    done
    # What the first one of a series is compared with.
    for step in $(steps | grep '\.1$'); do
        stage=$(before "$step")
        make_step "$stage" "$BATS_FILE_TMPDIR/$stage/$(stage_of "$step")"
        make_quietly "$BATS_FILE_TMPDIR/$stage/$(stage_of "$step")"
    done
}

make_quietly()
{
    env -u MAKEFLAGS -u MAKELEVEL "${MAKE:-make}" -s -j 2 -C "$@" \
        >"$BATS_FILE_TMPDIR/make" 2>&1 || {
        cat "$BATS_FILE_TMPDIR/make"
        return 1
    }
}

# last_step NN: prints the last sub-step of that stage.
last_step()
{
    steps "$1" | tail -n 1
}

# A copy of the stages and their steps, which git has, in $copy.
copy_project()
{
    copy=$BATS_TEST_TMPDIR/project
    mkdir -p "$copy/tests"
    (cd "$ROOT_DIR" && tar -cf - --exclude='server' --exclude='client' \
        --exclude='*.o' 0?-* docs/steps docs/tools/diff tests/*/*.bats) |
        tar -xf - -C "$copy"
    cd "$copy" || return
    plain_git init -q
    keep "as it is"
    unset STAGES_DIR
}

keep()
{
    plain_git add -A
    plain_git -c user.name=test -c user.email=test@localhost commit -q -m "$1"
}

# ends_in_stage NN DIR: true if the last sub-step, in DIR, is the stage.
ends_in_stage()
{
    local file stage last

    stage=$(stage_of "$1")
    last=$(last_step "$1")
    for file in "$2"/Makefile "$2"/*.[ch] "$STAGES_DIR/$stage"/*.[ch]; do
        file=${file##*/}
        diff -u "$2/$file" "$STAGES_DIR/$stage/$file" ||
            fail "docs/steps/$last.patch no longer ends in $stage/$file." \
                "What lacks stands above. To add it: docs/steps/update $1" \
                "(or to an earlier step: see docs/steps/README.md)" || return
    done
}

@test "steps: the last of each series is the stage, byte for byte" {
    local first last

    for first in $(steps | grep '\.1$'); do
        last=$(last_step "${first%.*}")
        ends_in_stage "${first%.*}" \
            "$BATS_FILE_TMPDIR/$last/$(stage_of "$last")"
    done
}

@test "steps: each compiles without a warning, with gcc and with clang" {
    local step cc dir

    for step in $(steps); do
        for cc in gcc clang; do
            command -v "$cc" >/dev/null || continue
            dir=$BATS_FILE_TMPDIR/$step/$(stage_of "$step")
            # This writes no file: what stands there was built by setup_file.
            make_quietly "$dir" -B CC="$cc" CFLAGS='-fsyntax-only -Werror'
        done
    done
}

# show STEP WHERE: runs the session of that sub-step with the programs of
# WHERE, which may take 2 s to print what they should. How it went is in
# BATS_TEST_TMPDIR/STEP.WHERE then.
show()
{
    local chapter=$BATS_TEST_TMPDIR/$1.$2.md

    {
        printf '%s\n' '<!-- run: session -->' '```console'
        session "$1"
        echo '```'
    } >"$chapter"
    DOCS_ROOT=$BATS_FILE_TMPDIR/$2/$(stage_of "$1") DOCS_DEADLINE=2 \
        "$TESTS_DIR/course/docs/check" console "$chapter" \
        >"$BATS_TEST_TMPDIR/$1.$2" 2>&1 || true
}

# in_parallel: true if each session can have a network of its own.
in_parallel()
{
    unshare --net --map-root-user true 2>/dev/null || unshare --net true
}

@test "steps: what each says that you see is there, and not one step before" {
    local step before told

    need python3
    for step in $(steps); do
        for before in "$step" "$(before "$step")"; do
            show "$step" "$before" &
            in_parallel || wait "$!"
        done
    done
    wait
    for step in $(steps); do
        told=$(cat "$BATS_TEST_TMPDIR/$step.$step")
        [[ $told != *skipped:* ]] || skip "$told"
        [[ $told == *" 0 wrong" ]] || fail "docs/steps/$step.patch:" "$told"
        # There, the server starts at least.
        told=$(cat "$BATS_TEST_TMPDIR/$step.$(before "$step")")
        [[ $told == *'but this comes'*' 1 wrong' && $told != *$'\n1 checked'* ]] ||
            fail "docs/steps/$step.patch: what it shows can be seen in" \
                "$(before "$step") as well, or nothing at all can:" "$told"
    done
}

# grade STEP: runs the tests that it names, and compares their number.
grade()
{
    local tests stage expected log=$BATS_TEST_TMPDIR/$1.log

    tests=$(tests_of "$1")
    stage=$(stage_of "$1")
    expected=$(test_names "$1" | wc -l)
    # Nothing of this run may reach the other one (see grading.bats).
    env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="${HOME:-/}" \
        TMPDIR="$BATS_TEST_TMPDIR" STAGES_DIR="$BATS_FILE_TMPDIR/$1" \
        STAGE="$stage" FILES="${tests%%: *}" FILTER="${tests#*: }" \
        "$TESTS_DIR/run" >"$log" 2>&1 3>&- 4>&- &&
        awk -v expected="$expected" '
            / passed, 0 failed/ { ran = $1 + $5 }
            END { exit ran != expected }' "$log" && return
    echo "docs/steps/$1.patch names $expected tests, of which:"
    cat "$log"
    return 1
}

@test "steps: each passes the tests that its patch names" {
    local step pids=()

    ${MAKE:-make} -s -C "$TOOLS"
    for step in $(steps); do
        grade "$step" >"$BATS_TEST_TMPDIR/$step" ||
            : >"$BATS_TEST_TMPDIR/failed" &
        pids+=("$!")
        # Three at a time, as most of it is waiting.
        [ ${#pids[@]} -lt 3 ] || wait "${pids[@]: -3:1}" || true
    done
    wait
    for step in $(steps); do
        cat "$BATS_TEST_TMPDIR/$step"
    done
    [ ! -e "$BATS_TEST_TMPDIR/failed" ]
}

@test "steps: the table in docs/steps/README.md is what the patches say" {
    diff -u <(sed -n '/^| sub-step/,/^$/{ /./p; }' "$STEPS_DIR/README.md") \
        <("$STEPS_DIR/step" --table) ||
        fail "docs/steps/README.md is behind: docs/steps/step --table"
}

@test "steps: make step makes a folder and explains it, make diff shows it" {
    local step

    copy_project
    step=$(steps | tail -n 1)
    run docs/steps/step "$step"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *".build/steps/$step"*Adds:*See:* ]]
    [ -x ".build/steps/$step/server" ]
    # A reader's change is kept; a second copy is as new.
    echo '/* mine */' >>".build/steps/$step/server.c"
    run docs/steps/step "$step"
    [[ $output == *".build/steps/$step.old"* ]]
    grep -q mine ".build/steps/$step.old/server.c"
    ! grep -q mine ".build/steps/$step/server.c" || return
    run docs/tools/diff "$step"
    [ "$status" -eq 0 ]
    [[ $output == "diff --git a/$(before "$step")/"*" b/$step/"* ]]
    [ "$(grep -c '^[-+]' <<<"$output")" -gt 10 ]
}

@test "steps: update carries a change of a stage through its series" {
    local stage=03

    copy_project
    # Both stages have the first word; the second comes in a sub-step.
    sed -i.old 's/SOMAXCONN/1024/' 02-*/server.c 03-*/server.c
    sed -i.old 's/Backwards: the/Backwards, as the/' 03-*/server.c
    rm ./*/*.old
    keep "a new stage"
    docs/steps/update "$stage.3"
    grep -q '^+.*Backwards, as' docs/steps/03.3.patch
    ! grep -q '^[-+].*Backwards' docs/steps/03.[45].patch || return
    STEPS_DIR=$copy/docs/steps STAGES_DIR=$copy
    make_step "$(last_step "$stage")" end
    ends_in_stage "$stage" end
}
