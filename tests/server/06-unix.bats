# unix -- 06 on a Unix-domain socket, and the socket's file
# bats file_tags=stage:06

load ../lib/stage
setup()
{
    stage_setup
    LISTEN_HOST=$BATS_TEST_TMPDIR/echo.socket
}
teardown() { stage_teardown; }

@test "a HOST with a slash is a Unix-domain socket" {
    server_start
    [ "$(cat "$SERVER_OUT")" = "Server is listening on $LISTEN_HOST" ]
    server_warm_up
    peer -n 50 echo:70000 fin end
    assert_server_healthy
    "${CLIENT_CMD[@]}" "$LISTEN_HOST" <"$TESTS_DIR/run" \
        >"$BATS_TEST_TMPDIR/came"
    cmp "$TESTS_DIR/run" "$BATS_TEST_TMPDIR/came"
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
    [ ! -e "$LISTEN_HOST" ] ||
        fail_because 06 "the socket's file is gone after the end" "it is there" \
            "no unlink"
}

@test "a dead server's socket file is replaced, a live one's is not" {
    server_start
    server_kill
    [ -S "$LISTEN_HOST" ]
    server_start
    server_warm_up
    start second "${SERVER_CMD[@]}" "$LISTEN_HOST"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq 1 ]
    grep -qi 'in use' "$BATS_TEST_TMPDIR/second.err"
    assert_server_healthy
}

@test "a file that is no socket is left alone" {
    echo mine >"$LISTEN_HOST"
    start refused "${SERVER_CMD[@]}" "$LISTEN_HOST"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq 1 ]
    [ "$(cat "$LISTEN_HOST")" = mine ]
}

@test "a server's file that another one has replaced is left alone" {
    local old

    server_start
    old=$SERVER_PID
    rm "$LISTEN_HOST"
    server_start
    kill -TERM "$old"
    wait_for_exit "$old"
    [ "$STATUS" -eq 0 ]
    assert_server_healthy
}

@test "-w 2: the parent alone removes the file, when all have ended" {
    server_start -w 2
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
    [ "$STATUS" -eq 0 ]
    [ ! -e "$LISTEN_HOST" ]
}
