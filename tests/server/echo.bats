# echo -- all that a connection sends comes back on it, and nothing else

load ../lib/stage
setup()
{
    stage_setup
    server_start
}
teardown() { stage_teardown; }

@test "says where it listens: one line on stdout, in this form" {
    peer echo:1000 fin end ||
        exchange_failed echo "1,000 bytes, then FIN" \
            "it doesn't echo, or doesn't close at EOF"
    [ "$(cat "$SERVER_OUT")" = "Server is listening on localhost:$PORT" ] ||
        fail_because announce "Server is listening on localhost:$PORT" \
            "$(cat "$SERVER_OUT")" \
            "the line's words differ, or there are several lines"
}

@test "echoes 0, 1, 4095, 4096, 4097 and 65537 bytes, then sends FIN" {
    local size

    for size in 0 1 4095 4096 4097 65537; do
        peer "echo:$size" fin end ||
            exchange_failed echo "$size bytes, then FIN" \
                "bytes are lost at the edge of a buffer, or it doesn't close \
at EOF"
    done
    assert_nothing_logged
}

@test "echoes 8 MiB of random bytes, both ways at once, in odd chunks" {
    peer echo:8M fin end ||
        exchange_failed short-write "8 MiB, byte for byte" \
            "a short write was taken for a complete one"
    assert_nothing_logged
}

@test "echoes to a reader with a small window, who takes little at a time" {
    peer -b 2000 echo:600K fin end ||
        exchange_failed short-write "600 KiB, byte for byte" \
            "a short write was taken for a complete one, or EAGAIN for an \
error"
    assert_nothing_logged
}

@test "echoes NULs, any byte and a last line without a newline" {
    local bytes='a\0\0b\r\n\n\377\376\t\033[0m%s%n\0last'

    # shellcheck disable=SC2059 # the format is what we want to send
    printf "$bytes" >"$BATS_TEST_TMPDIR/sent"
    STDIN=$BATS_TEST_TMPDIR/sent start came "${CLIENT_CMD[@]}" \
        localhost "$PORT"
    wait_for_exit "$LAST_PID" 20 && [ "$STATUS" -eq 0 ] ||
        fail_because echo "the client gets all of it back, and ends with 0" \
            "$(cat "$BATS_TEST_TMPDIR/came.err")" \
            "it doesn't close at EOF, or closes too early"
    cmp "$BATS_TEST_TMPDIR/sent" "$BATS_TEST_TMPDIR/came.out" ||
        fail_because echo "$(od -c "$BATS_TEST_TMPDIR/sent")" \
            "$(od -c "$BATS_TEST_TMPDIR/came.out")" \
            "it handles bytes as lines, or as strings that end at NUL"
    assert_nothing_logged
}

@test "answers at once: waits for no newline, no more bytes and no EOF" {
    peer echo:1 echo:1 echo:777 echo:1 ping:20 fin end ||
        exchange_failed echo "each piece comes back before the next is sent" \
            "it doesn't echo, or waits for more before it answers"
    assert_nothing_logged
}

@test "serves 100 clients at once, each its own bytes" {
    peer -n 100 echo:20000 fin end ||
        exchange_failed state "100 clients, each with its own bytes back" \
            "connections share a buffer, or a client is never served"
    assert_nothing_logged
}

@test "those who stay are served when others have left, older and younger" {
    local name

    ! stage_allows one_at_a_time || not_for "it serves one at a time"
    server_start
    for name in first second third; do
        peer_start "$name" echo:100 wait echo:100 fin end
        peer_wait "$name" '1 waiting*'
    done
    for name in first third second; do
        peer_continue "$name"
        assert_peer_succeeds "$name"
    done
}

@test "urgent data (MSG_OOB) comes back in its place, like all other bytes" {
    [ -z "${SERVER:-}" ] || not_for "its language may have no SO_OOBINLINE"
    peer send:3 urgent send:3 receive fin end ||
        fail_because oob "7 bytes: three, one out of band, three" \
            "$(complaint)" "without SO_OOBINLINE, read never returns the \
out-of-band byte"
    assert_nothing_logged
}

@test "after the peer's FIN, echoes the 5 MB still to be sent, then sends FIN" {
    peer send:5000000 fin pause:200 receive end ||
        exchange_failed half-close \
            "5,000,000 bytes after the half-close, then FIN" \
            "it closes with pending output: EOF, EAGAIN or a failed epoll_ctl \
(EPOLL_CTL_MOD) is taken for the end. Read only when the buffer is empty"
    assert_nothing_logged
}
