# course -- what the tests of tests/course share
# shellcheck shell=bash disable=SC2034 # for the tests

# told_of VAR=…: runs a part of the suite; sets TOLD to all that it says.
told_of()
{
    start told env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="${HOME:-/}" \
        TMPDIR="$BATS_TEST_TMPDIR" STAGES_DIR="$STAGES_DIR" "$@" \
        "$TESTS_DIR/run"
    wait_for_exit "$LAST_PID" 120
    TOLD=$(cat "$BATS_TEST_TMPDIR/told.out" "$BATS_TEST_TMPDIR/told.err")
}
