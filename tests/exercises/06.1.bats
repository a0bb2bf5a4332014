# 06.1 -- prints how many connections there are, every second

load exercise

assert_reports()
{
    wait_until "$PATIENCE" grep -qx "$1 connections" "$SERVER_ERR" >/dev/null ||
        fail_because timers "a line on stderr: $1 connections" \
            "$(tail -n 3 "$SERVER_ERR")" "$2"
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
