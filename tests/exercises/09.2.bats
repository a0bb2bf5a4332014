# 09.2 -- edge-triggered and fair

load exercise

# send_while_stopped: while the server is stopped, 3 clients send 20,000 bytes
# each, which it will read in 200 pieces, and FIN.
send_while_stopped()
{
    start_noting CALLS_SHORT=100
    stop "$SERVER_PID"
    peer_start clients -n 3 -t "$PATIENCE" send:20000 fin receive end
    wait_until "$PATIENCE" peer_is clients '*60000 sent*'
    resume "$SERVER_PID"
    assert_served clients edge "3 clients get their 20,000 bytes back" \
        "a connection that isn't drained gets no new event: keep it on a \
list, and don't sleep while the list has one"
}

@test "09.2: a connection is read at most 16 times between two waits" {
    local most

    send_while_stopped
    most=$(awk '$1 == "wait" { split("", n) }
        $1 == "read" && ++n[$2] > most { most = n[$2] }
        END { print most + 0 }' "$NOTES")
    [ "$most" -le 16 ] ||
        fail_because edge "at most 16 reads of a descriptor in an iteration" \
            "$most" "it reads a connection until nothing is left"
}

@test "09.2: it sleeps when all are drained" {
    send_while_stopped
    peer_start idle -n 3 echo:1000 wait fin end
    peer_wait idle '3 waiting*'
    assert_idle "with idle connections"
}
