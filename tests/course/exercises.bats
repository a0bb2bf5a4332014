#!/usr/bin/env bats
# exercises -- each is red until it is solved, whatever looks like a solution
#
# One test for all, as they run side by side. Its output has a line for each
# answer: the exercise, the answer, how its check ended, and the seconds.

load ../lib/stage

# shellcheck source=docs/exercises/lib.bash
. "$ROOT_DIR/docs/exercises/lib.bash"

setup()
{
    ${MAKE:-make} -s -C "$TOOLS"
}

# answers NN.M: prints untouched, solution and the wrong ones, a line each.
answers()
{
    local patch

    echo untouched
    for patch in "$STEPS_DIR/$1"/*.patch; do
        patch=${patch##*/}
        echo "${patch%.patch}"
    done
}

# build_answer NN.M NAME DIR: makes that answer in DIR, and builds its server.
build_answer()
{
    if [ "$2" = untouched ]; then
        start_exercise "$1" "$3"
    else
        answer "$1" "$2" "$3"
    fi && env -u MAKEFLAGS -u MAKELEVEL "${MAKE:-make}" -s -C "$3" \
        CFLAGS='-O1 -Werror' server
}

# check NN.M SERVER: what `make check-NN.M SERVER=…` prints. Nothing of this
# run may reach that one (see grading.bats).
check()
{
    env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="${HOME:-/}" \
        TMPDIR="$BATS_TEST_TMPDIR" STAGES_DIR="$STAGES_DIR" PATIENCE=5 \
        SERVER="'$2'" "$ROOT_DIR/docs/exercises/exercise" --check "$1" 2>&1
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
    check "$1" "$dir/server" 3>&- 4>&- | sed '/^not ok/q' >"$log"
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
    local exercise name pids=() failed=0 n

    for exercise in $(exercises); do
        mkdir -p "$BATS_TEST_TMPDIR/$exercise"
        for name in $(answers "$exercise"); do
            try "$exercise" "$name" >"$BATS_TEST_TMPDIR/$exercise/$name.told" &
            pids+=("$!")
            n=${#pids[@]}
            # Four at a time, as most of it is waiting.
            [ "$n" -lt 4 ] || wait "${pids[n - 4]}" || failed=1
        done
    done
    for n in "${pids[@]}"; do
        wait "$n" || failed=1
    done
    cat "$BATS_TEST_TMPDIR"/*/*.told
    sed -n 's/^0[1-9][.].* s  /# &/p' "$BATS_TEST_TMPDIR"/*/*.told >&3
    [ "$failed" -eq 0 ]
}
