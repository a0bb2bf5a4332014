# 04.1 -- the walk stops once it has seen as many elements as poll has counted

load exercise

@test "04.1: with one ready connection of 20, the rest aren't looked at" {
    local name reads fewest=1000

    # Some elements are marked that poll hasn't counted: see tools/calls.c.
    start_noting CALLS_BAIT=1
    peer_start oldest echo:10 wait ping:5 wait
    peer_wait oldest '1 waiting*'
    peer_start others -n 18 echo:10 wait
    peer_wait others '18 waiting*'
    peer_start newest echo:10 wait ping:5 wait
    peer_wait newest '1 waiting*'
    for name in oldest newest; do
        forget_notes
        peer_continue "$name"
        peer_wait "$name" '1 waiting*, 330 received*'
        reads=$(noted read '' -1)
        [ "$reads" -ge "$fewest" ] || fewest=$reads
    done
    # Seen from one of the two ends, the ready one comes first.
    [ "$fewest" -eq 0 ] ||
        fail_because walk "only the connection that is ready is read" \
            "$fewest reads of others while 5 messages came" \
            "the walk continues after it has seen as many as poll counted"
    # When only the listening socket is ready, no connection is.
    forget_notes
    peer_start late -n 4 wait
    wait_until "$PATIENCE" has_accepted 4
    [ "$(noted read '' -1)" -eq 0 ] ||
        fail_because walk "no read while only new clients come" \
            "$(noted read '' -1) reads" \
            "poll counts the listening socket, too, and the walk doesn't"
}

has_accepted()
{
    [ "$(noted accept '' '[0-9]*')" -ge "$1" ]
}

@test "04.1: ten that are ready at once have their turn in one iteration" {
    local most

    start_noting
    peer_start older -n 5 echo:10 wait
    peer_wait older '5 waiting*'
    peer_start crowd -n 10 echo:10 wait echo:100 wait fin end
    peer_wait crowd '10 waiting*'
    peer_start newer -n 5 echo:10 wait
    peer_wait newer '5 waiting*'
    stop "$SERVER_PID"
    peer_continue crowd
    wait_until "$PATIENCE" peer_is crowd '*1100 sent*'
    forget_notes
    resume "$SERVER_PID"
    wait_until "$PATIENCE" peer_is crowd '10 waiting*' >/dev/null || true
    most=$(most_in_a_turn read)
    [ "$most" -eq 10 ] ||
        fail_because walk "10 reads between two waits" "at most $most" \
            "count the ready connections, not every one that you pass"
    peer_continue crowd
    assert_peer_succeeds crowd
}
