# 06.2 -- a proxy: server TARGET_HOST TARGET_PORT [HOST [PORT]]

load exercise

# start_proxy COMMAND…: starts the target, a server to whose command HOST and
# PORT are appended, and the proxy in front of it.
start_proxy()
{
    local line=

    start target "$@" localhost 0
    TARGET_PID=$LAST_PID
    wait_until "$PATIENCE" grep -q ':[0-9]' "$BATS_TEST_TMPDIR/target.out"
    read -r line <"$BATS_TEST_TMPDIR/target.out"
    server_start localhost "${line##*:}"
}

# start_echo_proxy: the same, with one of our servers as the target.
start_echo_proxy()
{
    start_proxy "$STAGES_DIR/$STAGE/server"
}

@test "06.2: bytes come back through it, of 20 clients at once" {
    start_echo_proxy
    assert_echoes -n 20 echo:300K fin end
}

@test "06.2: a half-close passes through, both ways" {
    start_echo_proxy
    # After FIN the target sends what it couldn't send before.
    assert_echoes send:3M fin receive end
    stop "$TARGET_PID"
    peer_start client send:1000 fin receive end
    wait_until "$PATIENCE" peer_is client '*1000 sent*'
    resume "$TARGET_PID"
    assert_peer_succeeds client
}

# assert_bounded STEP…: a client with these steps costs the proxy at most 1 MiB.
assert_bounded()
{
    local before after

    need_proc
    before=$(hwm_of "$SERVER_PID")
    peer_start stalled "$@" wait reset
    peer_wait stalled '1 waiting*'
    # The target may still be sending.
    wait_until "$PATIENCE" is_at_rest >/dev/null || true
    after=$(hwm_of "$SERVER_PID")
    [ $((after - before)) -le 1024 ] ||
        fail_because backpressure "at most 1,024 KiB more in the proxy" \
            "$((after - before)) KiB more" "no backpressure from $FROM: when \
conn_write returns false, pause the other connection"
    peer_continue stalled
    assert_peer_succeeds stalled
}

@test "06.2: backpressure from the target: it reads nothing" {
    FROM="the target to the client"
    start_proxy "$TOOLS/badserver" silent
    assert_bounded send:256M
}

@test "06.2: backpressure from the client: it reads nothing" {
    FROM="the client to the target"
    start_proxy "$TOOLS/badserver" flood
    assert_bounded pause:500
}

@test "06.2: all comes through to a slow reader, once it reads" {
    start_echo_proxy
    assert_echoes -t 20 send:16M receive fin end
}

@test "06.2: a client that resets, or a target that does, ends both" {
    start_echo_proxy
    server_warm_up
    assert_echoes -n 20 send:100K reset
    assert_server_healthy
    kill -KILL "$TARGET_PID"
    peer -t "$PATIENCE" send:10 drain || fail_because close \
        "the client's connection ends when there is no target" "$(complaint)" \
        "in on_close of one connection, close the other"
    alive "$SERVER_PID"
}

@test "06.2: when it ends, all pairs have been freed" {
    start_echo_proxy
    server_warm_up
    assert_echoes -n 5 echo:1000 fin end
    assert_echoes -n 5 send:1000 reset
    assert_server_healthy
    kill "$SERVER_PID"
    # A sanitizer tells what was lost.
    assert_server_ends 0 "the last on_close of a pair frees it"
}
