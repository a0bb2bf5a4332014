# 04.2 -- writes an element of fds only when something changes

load exercise

@test "04.2: messages of one connection leave the elements of 50 alone" {
    local most

    start_noting
    peer_start idle -n 50 echo:10 wait fin end
    peer_wait idle '50 waiting*'
    peer_start talker echo:10 wait ping:20 wait fin end
    peer_wait talker '1 waiting*'
    forget_notes
    peer_continue talker
    peer_wait talker '1 waiting*1290 received*'
    most=$(awk '$1 == "wait" && $4 > most { most = $4 }
        END { print most + 0 }' "$NOTES")
    # Those are the listening socket's and the talker's.
    [ "$most" -le 2 ] ||
        fail_because interest "at most 2 elements written for a poll" \
            "$most of 52" "the array is filled again in each iteration"
    peer_continue talker idle
    assert_peer_succeeds talker
    assert_peer_succeeds idle
}

@test "04.2: a connection that moves into a gap takes its element along" {
    start_noting
    peer_start first echo:10 wait fin end
    peer_wait first '1 waiting*'
    peer_start others -n 5 echo:10 wait echo:1000 fin end
    peer_wait others '5 waiting*'
    forget_notes
    peer_continue first
    assert_peer_succeeds first
    # No other connection is ready when this comes, so no other is read.
    peer echo:10 fin end
    [ "$(noted read '' -1)" -eq 0 ] ||
        fail_because walk "no read without bytes to read" \
            "$(noted read '' -1) reads that failed with EAGAIN" \
            "the element in the gap still has the closed descriptor, so poll \
reports POLLNVAL"
    peer_continue others
    assert_peer_succeeds others
    assert_server_healthy
}

@test "04.2: what the kernel didn't take is sent when it has room" {
    local hold=$BATS_TEST_TMPDIR/hold

    start_noting "CALLS_HOLD=$hold"
    : >"$hold"
    peer_start client -t $((2 * PATIENCE)) echo:1000 fin end
    wait_until "$PATIENCE" has_failed_to_write
    rm "$hold"
    assert_served client interest "1,000 bytes come back" \
        "the element must ask for POLLOUT while output is pending"
}

has_failed_to_write()
{
    [ "$(noted write '' -1)" -gt 0 ]
}
