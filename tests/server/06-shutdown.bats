# shutdown -- 06 ends gracefully, within about a second
# bats file_tags=stage:06

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# milliseconds: sets NOW, to a second's precision before bash 5.
milliseconds()
{
    NOW=${EPOCHREALTIME:-$(date +%s).000}
    NOW=${NOW/[.,]/}
    NOW=${NOW:0:13}
}

@test "SIGINT ends it gracefully: idle connections get FIN, exit 0" {
    server_start
    peer_start peers -n 20 echo:1000 end
    peer_wait peers '* 20000 received'
    kill -INT "$SERVER_PID"
    assert_peer_succeeds peers
    assert_server_ends 0
    assert_nothing_logged
}

@test "SIGTERM: pending output is sent, then FIN, exit 0" {
    server_start
    peer_start peers -n 3 send:8M wait end
    peer_wait peers '3 waiting*'
    kill -TERM "$SERVER_PID"
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_ends 0
}

# Lets the server run for a moment. True if it still runs, and refuses
# connections.
refuses_while_it_lives()
{
    resume "$SERVER_PID" && stop "$SERVER_PID" &&
        ! (exec 9<>"/dev/tcp/localhost/$PORT") 2>/dev/null
}

@test "SIGTERM: refuses connections, and a peer that does not read holds it up for a second" {
    local began

    server_start
    peer_start peers -n 3 send:512M wait
    peer_wait peers '3 waiting*'
    milliseconds
    began=$NOW
    kill -TERM "$SERVER_PID"
    wait_until 5 refuses_while_it_lives ||
        fail_because shutdown \
            "connections are refused while it ends" "they are accepted" \
            "the listening socket stays open until the end"
    resume "$SERVER_PID"
    assert_server_ends 0
    milliseconds
    [ $((NOW - began)) -ge 900 ] && [ $((NOW - began)) -lt $((8000 * SLOWER)) ] ||
        fail_because shutdown \
            "it ends a second after SIGTERM, or a little later" \
            "after $((NOW - began)) ms" \
            "a slow peer gets no time, or unlimited time"
}

@test "a second signal ends it now, with another exit status than 0" {
    server_start
    peer_start peers -n 3 send:512M wait
    peer_wait peers '3 waiting*'
    # Stop the server meanwhile, so that both come before the second of grace.
    stop "$SERVER_PID"
    kill -TERM "$SERVER_PID"
    kill -INT "$SERVER_PID"
    resume "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
    [ "$STATUS" -eq 1 ] ||
        fail_because shutdown "it exits at once, with status 1" \
            "exit $STATUS: it waited on" "the second signal isn't handled"
}
