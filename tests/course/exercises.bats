#!/usr/bin/env bats
# exercises -- each is red until it is solved, whatever looks like a solution
#
# One test for all, as they run side by side. Its output has a line for each
# answer: the exercise, the answer, how its check ended, and the seconds.

load ../lib/stage

# shellcheck source=docs/exercises/lib.bash
. "$ROOT_DIR/docs/exercises/lib.bash"
# shellcheck source=tests/lib/sanitizers.bash
. "$LIB_DIR/sanitizers.bash"

setup()
{
    ${MAKE:-make} -s -C "$TOOLS"
    has_sanitizers || SANITIZE=-O1
}

# answers NN.M: prints untouched, solution and two wrong ones, or all of them
# with ALL=1, a line each.
answers()
{
    local patch

    echo untouched
    echo solution
    for patch in "$STEPS_DIR/$1"/wrong-*.patch; do
        patch=${patch##*/}
        echo "${patch%.patch}"
    done | if [ -n "${ALL:-}" ]; then cat; else head -n 2; fi
}

# build_answer NN.M NAME DIR: makes that answer in DIR, and builds its server.
build_answer()
{
    if [ "$2" = untouched ]; then
        start_exercise "$1" "$3"
    else
        answer "$1" "$2" "$3"
    fi && env -u MAKEFLAGS -u MAKELEVEL "${MAKE:-make}" -s -C "$3" \
        CFLAGS="$SANITIZE -Werror" server
}

# check PROJECT NN.M [SERVER]: what `make check-NN.M SERVER=…` prints in that
# folder. Nothing of this run may reach that one (see grading.bats).
check()
{
    env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="${HOME:-/}" \
        TMPDIR="$BATS_TEST_TMPDIR" PATIENCE="${WAIT:-5}" ${MAKE:+MAKE="$MAKE"} \
        ${3:+"SERVER='$3'"} \
        STAGES_DIR="${STAGES_DIR:-}" \
        "$1/docs/exercises/exercise" --check "$2" 2>&1
}

# try NN.M NAME: checks that answer, up to the first failure, and prints how it
# ended. Fails unless the solution passes, or another answer fails.
try()
{
    local dir=$BATS_TEST_TMPDIR/$1/$2 began=$SECONDS log told

    log=$dir.log
    if ! build_answer "$1" "$2" "$dir" >"$log" 2>&1; then
        echo "$1 $2 does not apply, or does not build:"
        cat "$log"
        return 1
    fi
    # What is right gets the time that a busy machine takes.
    WAIT=$([ "$2" = solution ] && echo 20 || echo 5) \
        check "$ROOT_DIR" "$1" "$dir/server" 3>&- 4>&- |
        sed "$([ "$2" = solution ] || echo '/^not ok/q')" >"$log"
    told=$(tail -n 1 "$log")
    printf '%s  %-26s %3d s  %s\n' "$1" "$2" $((SECONDS - began)) \
        "$(sed "s|'.*': ||" <<<"$told")"
    case $2:$told in
        solution:*' passed, 0 failed, '* | [!s]*:'not ok'*) ;;
        *)
            cat "$log"
            return 1
            ;;
    esac
}

@test "exercises: green for the solution, red for all else" {
    local exercise name pids=()

    for exercise in $(exercises); do
        mkdir -p "$BATS_TEST_TMPDIR/$exercise"
        for name in $(answers "$exercise"); do
            try "$exercise" "$name" >"$BATS_TEST_TMPDIR/$exercise/$name.told" ||
                : >"$BATS_TEST_TMPDIR/failed" &
            pids+=("$!")
            # Four at a time, as most of it is waiting.
            [ ${#pids[@]} -lt 4 ] || wait "${pids[@]: -4:1}" || true
        done
    done
    wait
    cat "$BATS_TEST_TMPDIR"/*/*.told
    sed -n 's/^0[1-9][.].* s  /# &/p' "$BATS_TEST_TMPDIR"/*/*.told >&3
    [ ! -e "$BATS_TEST_TMPDIR/failed" ]
}

@test "exercises: the table in docs/README.md is what the patches say" {
    diff -u <(sed -n '/^| exercise/,/^$/{ /./p; }' "$ROOT_DIR/docs/README.md") \
        <("$STEPS_DIR/exercise" --table) ||
        fail "docs/README.md is behind: docs/exercises/exercise --table"
}

@test "exercises: each has a check, two wrong answers, and its chapter" {
    local exercise

    for exercise in $(exercises); do
        grep -q "^@test \"$exercise: " "$TESTS_DIR/exercises/$exercise.bats"
        [ "$(answers "$exercise" | grep -c '^wrong-')" -ge 2 ]
        grep -q "^\*\*$exercise " "$ROOT_DIR/docs/${exercise%.*}"-*.md
        grep -q "make check-$exercise" "$ROOT_DIR/docs/${exercise%.*}"-*.md
    done
    # The others say that they aren't, or by what else.
    [ -z "$(awk '
        function finish() {
            if (name != "" && !told)
                print FILENAME ": " name
            name = ""
        }
        /^## / { finish(); here = $0 == "## Exercises"; all = 0 }
        here && /^None of these is graded/ { all = 1 }
        here && /^\*\*[0-9.]+ / { finish(); name = $1; told = all }
        /[Gg]raded/ { told = 1 }
        END { finish() }' "$ROOT_DIR"/docs/0[1-9]-*.md | tee /dev/stderr)" ]
}

# A copy of the project, as what is made there stays.
copy_project()
{
    mkdir -p "$BATS_TEST_TMPDIR/mein übung/docs"
    cd "$BATS_TEST_TMPDIR/mein übung" || return
    cp -R "$STAGES_DIR"/0[1-6]-* .
    cp -R "$ROOT_DIR"/docs/{exercises,steps,0*.md} docs
    ln -s "$TESTS_DIR" tests
    unset STAGES_DIR
}

@test "exercises: a copy is made once, and graded when it builds" {
    local dir=.build/exercises/01.2 first

    copy_project
    first=$(docs/exercises/exercise 01.2)
    [[ $first == *"make check-01.2"* ]]
    [[ $first != *"as you left it"* ]]
    # A second time nothing changes, and nothing is nested.
    echo 'mistake' >>"$dir/server.c"
    [[ $(docs/exercises/exercise 01.2) == \
        *"as you left it. Remove it"*"make check-01.2" ]]
    grep -q mistake "$dir/server.c"
    [ ! -e "$dir/01-blocking" ]
    run check . 01.2
    echo "$output"
    [ "$status" -ne 0 ]
    [[ $output == *"server.c:"*error* && $output != *passed* ]]
    run check . 01.3
    [ "$status" -eq 1 ]
    [[ $output == *"make exercise-01.3"* ]]
    # The chapter has it, but no check.
    run docs/exercises/exercise 01.1
    [ "$status" -eq 2 ]
    [[ $output == *"01.1 isn't graded"*docs/01-blocking.md*"01.2  "* ]]
}

@test "exercises: a test that can't be done here is told, as not graded" {
    local cat=$BATS_TEST_TMPDIR/cat

    copy_project
    # calls.so reaches no program that makes its calls itself.
    ${CC:-cc} -static -o "$cat" "$TESTS_DIR/interop/raw-server.c" ||
        skip "it cannot be linked statically"
    run check . 01.3 "$cat"
    echo "$output"
    [[ $output == *"not graded: 01.3: the limit is"*"calls.so doesn't reach"* ]]
}

@test "exercises: a program that is older than its source is refused" {
    copy_project
    ${MAKE:-make} -s -C 01-blocking
    touch 01-blocking/server.c
    run check . 01.2 01-blocking/server
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"server.c is newer than server: build it first" ]]
}
