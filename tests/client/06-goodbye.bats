#!/usr/bin/env bats
# goodbye -- 06's client ends by itself when the server sends too much, or has
# sent everything and never closes. Those of 01 to 05 wait for FIN.
# bats file_tags=stage:06

# Names that lib/stage sets.
# shellcheck disable=SC2153

load client

setup()
{
    client_setup
}

teardown()
{
    stage_teardown
}

@test "client: more came back, stdin open: exit 1 at once" {
    bad_server greeting
    talk_start
    assert_client_fails "server: more came back than was sent"
}

# ends_without_fin: the client ends with 0, as all has come back.
ends_without_fin()
{
    assert_client_exits 0 "it waits for a FIN that never comes" 10
    assert_client_says "Connected to server" \
        "server: everything came back, but it doesn't close" \
        "Disconnected from server"
}

@test "client: all came back, and the server never closes: exit 0" {
    local pid patient

    ours_only
    # This one has to wait for what has not come back yet.
    bad_server silent
    STDIN=$TESTS_DIR/run start patient "${CLIENT_CMD[@]}" localhost "$PORT"
    patient=$LAST_PID
    # Stdin ends before the last of it is back, or after.
    bad_server open=0
    STDIN=$TESTS_DIR/run start file "${CLIENT_CMD[@]}" localhost "$PORT"
    pid=$LAST_PID
    bad_server open=0
    talk_start
    say hello
    assert_hears hello
    hang_up
    ends_without_fin
    CLIENT_PID=$pid
    CLIENT_ERR=$BATS_TEST_TMPDIR/file.err CLIENT_OUT=$BATS_TEST_TMPDIR/file.out
    ends_without_fin
    assert_came_back "$TESTS_DIR/run"
    alive "$patient" ||
        client_failed_because "it waits as long as something is to come back" \
            "$(cat "$BATS_TEST_TMPDIR/patient.err")" \
            "the deadline is not for the server's FIN alone"
}
