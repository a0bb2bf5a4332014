# 03.4 -- reads while there is room in the buffer

load exercise

# start_held: starts the server, whose writes fail with EAGAIN until let_go, and
# a client that sends 1000 bytes, and 1000 more at each peer_continue.
start_held()
{
    HOLD=$BATS_TEST_TMPDIR/hold
    start_noting "CALLS_HOLD=$HOLD"
    : >"$HOLD"
    peer_start client send:1000 wait send:1000 wait "$@"
    wait_until 10 has_read 1000
}

let_go()
{
    rm "$HOLD"
}

bytes_read()
{
    awk '$1 == "read" && $3 > 0 { n += $3 } END { print n + 0 }' "$NOTES"
}

has_read()
{
    [ "$(bytes_read)" -eq "$1" ]
}

# assert_reads N: the server reads N bytes in all, and not one more.
assert_reads()
{
    wait_until "$PATIENCE" has_read "$1" >/dev/null || fail_because state \
        "$1 bytes are read while its writes take nothing" "$(bytes_read)" \
        "it reads only when the buffer is empty, or when there's no room in it"
}

@test "03.4: reads more behind what is still to be sent, while there is room" {
    start_held send:20000 receive fin end
    peer_continue client
    assert_reads 2000
    peer_continue client
    assert_reads 16384
    let_go
    assert_peer_succeeds client
}

@test "03.4: FIN comes while output is pending: sent first, read once" {
    start_held fin receive end
    peer_continue client
    assert_reads 2000
    peer_continue client
    wait_until "$PATIENCE" eof_is_read
    let_go
    assert_peer_succeeds client
    [ "$(noted read '' 0)" -eq 1 ] ||
        fail_because fin "one read that returns 0" "$(noted read '' 0)" \
            "after FIN the socket stays readable: stop watching it"
}

eof_is_read()
{
    [ "$(noted read '' 0)" -gt 0 ]
}
