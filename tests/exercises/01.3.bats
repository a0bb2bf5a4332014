# 01.3 -- closes the connection of a client that was silent for 2 seconds

load exercise

@test "01.3: a silent client is given up, and the next one served" {
    server_start
    peer_start silent echo:10 wait
    peer_wait silent '1 waiting*'
    peer -t 6 echo:1000 fin end || fail_because one-at-a-time \
        "the second client served after 2 s" "$(complaint)" \
        "the silent client still blocks it: does read return, and does -1 \
with EAGAIN end the connection?"
}

@test "01.3: the limit is 2 seconds, on the connection" {
    start_noting
    assert_echoes echo:1000 fin end
    [ "$(longest_limit)" -eq 2000 ] ||
        fail_because one-at-a-time "setsockopt with SO_RCVTIMEO, 2 s" \
            "$(longest_limit) ms" \
            "tv_sec holds seconds; or the call fails: look at its result"
}

@test "01.3: a client that pauses for a second is served on" {
    server_start
    peer echo:10 pause:1000 echo:10 pause:1000 echo:10 fin end ||
        fail_because one-at-a-time "all comes back, after pauses of 1 s" \
            "$(complaint)" \
            "it gives up too soon: tv_sec holds seconds, tv_usec microseconds"
}

@test "01.3: with no client, it waits for more than 2 seconds" {
    server_start
    pause 2.5 # the time in which nothing may happen
    [ ! -s "$SERVER_ERR" ] ||
        fail_because accept "nothing on stderr" "$(head -n 1 "$SERVER_ERR")" \
            "accept has the time limit too: set it on the connection"
    assert_echoes -t "$PATIENCE" echo:1000 fin end
}
