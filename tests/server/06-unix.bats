# unix -- 06 on a Unix-domain socket, and the socket's file
# bats file_tags=stage:06

load ../lib/stage
setup()
{
    stage_setup
    LISTEN_HOST=$OPEN_DIR/echo.socket
}
teardown() { stage_teardown; }

@test "a HOST with a slash is a Unix-domain socket" {
    server_start
    [ "$(cat "$SERVER_OUT")" = "Server is listening on $LISTEN_HOST" ] ||
        fail_because socket-file "Server is listening on $LISTEN_HOST" \
            "$(cat "$SERVER_OUT")" "a path has no port"
    server_warm_up
    assert_echoes -n 50 echo:70000 fin end
    assert_server_healthy
    "${CLEAN[@]}" "${CLIENT_CMD[@]}" "$LISTEN_HOST" <"$TESTS_DIR/run" \
        >"$BATS_TEST_TMPDIR/came"
    cmp "$TESTS_DIR/run" "$BATS_TEST_TMPDIR/came" ||
        fail_because client "the client gets its file back" "see above" \
            "a HOST with a slash is a path for the client too"
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
    [ ! -e "$LISTEN_HOST" ] ||
        fail_because socket-file \
            "the socket's file is gone after the end" "it is there" \
            "the server doesn't unlink its file"
}

@test "a dead server's socket file is replaced, a live one's is not" {
    server_start
    server_kill
    [ -S "$LISTEN_HOST" ]
    server_start
    server_warm_up
    start second "${SERVER_CMD[@]}" "$LISTEN_HOST"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq 1 ] && grep -qi 'in use' "$BATS_TEST_TMPDIR/second.err" ||
        fail_because socket-file "status 1, and: address in use" \
            "status $STATUS: $(cat "$BATS_TEST_TMPDIR/second.err")" \
            "it removes the file that another server listens on"
    assert_server_healthy
}

@test "a file that is no socket is left alone" {
    echo mine >"$LISTEN_HOST"
    start refused "${SERVER_CMD[@]}" "$LISTEN_HOST"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq 1 ] && [ "$(cat "$LISTEN_HOST")" = mine ] ||
        fail_because socket-file "status 1, and the file as it was" \
            "status $STATUS" "it unlinks a file that isn't a socket"
}

@test "a server's file that another one has replaced is left alone" {
    local old

    server_start
    old=$SERVER_PID
    rm "$LISTEN_HOST"
    server_start
    kill -TERM "$old"
    wait_for_exit "$old"
    [ "$STATUS" -eq 0 ] ||
        fail_because shutdown "exit status 0" "$STATUS" \
            "it takes the missing file for an error"
    assert_server_healthy
}

@test "-w 2: the parent alone removes the file, when all have ended" {
    server_start -w 2
    kill -TERM "$SERVER_PID"
    assert_server_ends 0
    [ ! -e "$LISTEN_HOST" ] ||
        fail_because socket-file "no file" "it is there" \
            "the server doesn't unlink its file"
}
