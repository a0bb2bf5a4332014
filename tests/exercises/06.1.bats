# 06.1 -- prints how many connections there are, every second

load exercise

assert_reports()
{
    wait_until "$PATIENCE" grep -qx "$1 connections" "$SERVER_ERR" >/dev/null ||
        fail_because timers "a line on stderr: $1 connections" \
            "$(tail -n 3 "$SERVER_ERR")" "$2"
}

# reported_beside_a_newcomer: connects and leaves; true if there's a report.
reported_beside_a_newcomer()
{
    (exec 9<>"/dev/tcp/localhost/$PORT") && grep -q connections "$SERVER_ERR"
}

@test "06.1: reports each second, beside new clients and before the first" {
    start_noting
    assert_reports 0 "no timer runs"
    assert_echoes echo:10 fin end
    # A bit longer, where time is rounded up.
    [ "$(longest_limit)" -le 1010 ] ||
        fail_because timers "waits of at most 1,000 ms" \
            "$(longest_limit) ms" "the timer repeats too late"
    : >"$SERVER_ERR"
    wait_until "$PATIENCE" reported_beside_a_newcomer >/dev/null ||
        fail_because timers "a line on stderr while clients come and go" \
            "none" "the timer ran once, or each new client starts it anew"
    server_start
    assert_reports 0 "the timer starts only when a client comes"
}

@test "06.1: reports 3 connections while they are there, then 0" {
    server_start
    assert_echoes -n 3 echo:10 reset
    peer_start peers -n 3 echo:10 wait fin end
    peer_wait peers '3 waiting*'
    assert_reports 3 "no timer runs, or on_connect doesn't count"
    assert_echoes -t "$PATIENCE" ping:20 fin end
    peer_continue peers
    assert_peer_succeeds peers
    : >"$SERVER_ERR"
    assert_reports 0 "on_close doesn't count down, or the timer ran once"
}

@test "06.1: a report each second, and nobody waits for it" {
    local began=$SECONDS n took

    server_start
    assert_pings_beside "the report"
    assert_reports 0 "no timer runs"
    pause 1.5
    n=$(grep -c connections "$SERVER_ERR")
    took=$((SECONDS - began + 1))
    [ "$n" -le "$took" ] ||
        fail_because timers "a line a second" "$n lines in $took s" \
            "the timer repeats too soon"
}

@test "06.1: SIGTERM still ends the server" {
    server_start
    assert_echoes echo:10 fin end
    kill "$SERVER_PID"
    assert_server_ends 0 "a timer that runs keeps the loop running"
}
