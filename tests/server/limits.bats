# limits -- how many connections and bytes each stage can serve, and can't

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# must_have_limit: true for the stages, whose chapters show their limit. A
# SERVER may have it, too.
must_have_limit()
{
    [ -z "${SERVER:-}" ]
}

@test "a second client is served beside an idle first (01: after it)" {
    local first second

    server_start
    peer_start first echo:10 wait echo:10 fin end
    peer_wait first '1 waiting*'
    if stage_allows one_at_a_time; then
        peer_start second echo:1000 fin end
        if must_have_limit; then
            peer_wait second '* 1000 sent, 0 received'
            # A server that had accepted the second would answer within this
            # time.
            pause 0.3
            peer_is second '* 1000 sent, 0 received'
        fi
        peer_continue first
        assert_peer_succeeds first
        assert_peer_succeeds second
    else
        peer -t 5 echo:1000 fin end ||
            exchange_failed one-at-a-time "the second client's bytes" \
                "the first client blocks it: it serves one at a time"
        peer_continue first
        assert_peer_succeeds first
    fi
}

# took BYTES: prints the median round trip of a message of this size, in
# microseconds.
took()
{
    peer -m "$1" ping:20 fin end |
        sed -n 's/.*round trips: median \([0-9]*\) us.*/\1/p'
}

# stalls BYTES: true if messages of this size wait for a delayed ACK, which comes
# after 40 ms. NOW is what they took. A message of one byte waits for nothing: if
# that is slow too, the machine is busy, and we try again.
stalls()
{
    for _ in 1 2 3 4; do
        NOW=$(took "$1")
        [ -n "$NOW" ] || return 0 # they didn't come back at all
        [ "$NOW" -gt $((30000 * SLOWER)) ] || return 1
        [ "$(took 1)" -gt $((5000 * SLOWER)) ] || return 0
    done
}

@test "no size of a message stalls (Nagle's algorithm and delayed ACK)" {
    local size

    server_start
    for size in 1 1461 8193 16000 16385 20000 49153 65536 100000 262144; do
        ! stalls "$size" ||
            fail_because nodelay "$size bytes come back within 30 ms" \
                "${NOW:-never} us" \
                "without TCP_NODELAY, the rest of a message waits for an ACK"
    done
}

@test "has no child process (02: one for each connection, while it lasts)" {
    local n

    if ! must_have_limit; then
        not_for "your server may have any number of processes"
    elif stage_allows process_each; then
        n=5
    else
        n=0
    fi
    server_start
    if stage_allows one_at_a_time; then
        peer_start peers echo:10 wait fin end
        peer_wait peers '1 waiting*'
    else
        peer_start peers -n 5 echo:10 wait fin end
        peer_wait peers '5 waiting*'
    fi
    [ "$(count_children "$SERVER_PID")" -eq "$n" ] ||
        fail_because fork "$n children" "$(count_children "$SERVER_PID")" \
            "it isn't one process for each connection, as this stage is"
    peer_continue peers
    assert_peer_succeeds peers
    wait_until 5 childless ||
        fail_because zombies "no child, once its connection has ended" \
            "$(count_children "$SERVER_PID")" "$(zombie_cause)"
}

childless()
{
    [ "$(count_children "$SERVER_PID")" -eq 0 ]
}

@test "holds 1,100 clients (03: FD_SETSIZE), 04 2,000, 05 and 06 5,000" {
    local n=5000 state served began=$SECONDS

    case $LIKE in
        01* | 02*) not_for "its limit is another one" ;;
        03*) n=1100 ;;
        04*) n=2000 ;;
    esac
    need_descriptors $((n + 100))
    server_start
    server_warm_up
    assert_backlog 16
    need_descriptors_of_server "$n"
    peer_start peers -n "$n" -l echo:100 wait echo:100 fin end
    peer_wait peers '* 0 busy*'
    state=$(peer_state peers)
    served=$(field waiting "$state")
    if stage_allows fd_setsize &&
        { must_have_limit || [ "$served" -ne "$n" ]; }; then
        [ "$served" -ge 1000 ] && [ "$served" -lt 1024 ] ||
            fail_because fd_setsize \
                "1,000 to 1,023 served, the others refused" "$state" \
                "descriptors of FD_SETSIZE and above don't fit into an fd_set"
        [ -z "$BASE_FDS" ] || ! must_have_limit ||
            [ "$served" -eq $((1024 - BASE_FDS)) ] ||
            fail_because fd_setsize \
                "$((1024 - BASE_FDS)) served: descriptors to 1023" \
                "$served" "the number compared with FD_SETSIZE is off by one"
        assert_logged '^select: no room for descriptor 1024$' \
            "the connection was closed without a word"
        assert_few_lines_logged $((SECONDS - began + 1))
    else
        [ "$served" -eq "$n" ] ||
            fail_because grow "$n served" "$state" \
                "there's a limit that poll doesn't need: the array doesn't \
grow"
        assert_nothing_logged
    fi
    # All connections that were accepted are still open.
    peer_continue peers
    assert_peer_succeeds peers
    [ "$(field "done" "$(peer_state peers)")" -eq "$served" ] ||
        fail_because walk "$served echoed to a second time" \
            "$(peer_state peers)" "new connections have overwritten older ones"
    assert_server_healthy
}

@test "those beyond the limit who have sent something are told, not left" {
    stage_allows fd_setsize || not_for "refuses nobody"
    need_descriptors 1200
    server_start
    peer_start peers -n 1030 -l echo:1 wait close
    peer_wait peers '* 0 busy*'
    # FIN or RST must come before the deadline.
    peer -t 5 send:100 fin drain ||
        fail_because fd_setsize "the connection ends" "$(complaint)" \
            "a connection at FD_SETSIZE or above is kept, and never served: \
close it"
    peer_continue peers
    assert_peer_succeeds peers
}

@test "a burst of 300 clients finds room while the server is busy" {
    local n=300

    # Some languages always call listen with 128, once the value of SOMAXCONN.
    [ -z "${SERVER:-}" ] || n=100
    need_descriptors 400
    need_backlog "$n"
    server_start
    server_warm_up
    assert_backlog "$n"
    stop "$SERVER_PID"
    peer_start peers -n "$n" wait echo:100 fin end
    wait_until 10 peer_is peers "$n waiting*" ||
        fail_because backlog "$n connections in the kernel's queue" \
            "$(peer_state peers)" "listen was called with a small backlog"
    resume "$SERVER_PID"
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_healthy
}

# limit_descriptors N: limits the server's descriptors to those of N clients.
limit_descriptors()
{
    local limit

    need_proc
    need prlimit
    look_at_fds_each
    limit=$((BASE_FDS + $1 * FDS_EACH))
    ${CAGE[@]+"${CAGE[@]}"} \
        prlimit --pid "$SERVER_PID" --nofile="$limit:$limit"
}

@test "out of descriptors: serves the old ones, and the others later" {
    local began

    if stage_allows one_at_a_time || stage_allows process_each; then
        not_for "never has more than one connection's descriptor"
    fi
    server_start
    server_warm_up
    limit_descriptors 15
    began=$SECONDS
    peer_start first -n 20 echo:100 wait echo:100 close
    peer_wait first '1[0-9] waiting*'
    peer_start second -n 10 echo:100 wait echo:100 fin end
    peer_wait second '0 waiting, 10 busy*'
    # A pause of 100 ms ends three times in this time.
    assert_idle "at the limit" "$SERVER_PID" 12
    peer_continue first
    assert_peer_succeeds first
    peer_wait second '10 waiting*'
    peer_continue second
    assert_peer_succeeds second
    assert_few_lines_logged $((SECONDS - began + 1)) 32
    assert_server_healthy
}

@test "a peer that never reads costs no memory, and no CPU" {
    local before after limit=1024 pid stuck more ended=()

    need_proc
    # Other languages' memory managers take more, but not without limit.
    if [ -n "${SERVER:-}" ]; then
        limit=32768
    fi
    server_start
    server_warm_up
    before=$(hwm_of "$SERVER_PID")
    peer_start stalled send:512M wait reset
    peer_wait stalled '1 waiting*'
    for pid in "$SERVER_PID" $(children_of "$SERVER_PID"); do
        after=$(hwm_of "$pid")
        [ $((after - before)) -le "$limit" ] ||
            fail_because backpressure "at most $limit KiB more than before" \
                "$((after - before)) KiB more; it has taken $(field sent \
                    "$(peer_state stalled)") bytes" \
                "no backpressure: it reads on while its output waits"
    done
    assert_idle "beside a peer that does not read"
    if ! stage_allows one_at_a_time; then
        assert_echoes -t 5 echo:65536 fin end
        # One of these sends as much as gets stuck, and so little more that its
        # FIN still finds room.
        stuck=$(sockets_at 01 t)
        for more in 50000 100000 150000 200000; do
            peer_start "ended$more" "send:$((stuck + more))" fin wait reset
            ended+=("ended$more")
        done
        for more in "${ended[@]}"; do
            peer_wait "$more" '1 waiting*'
        done
        assert_idle "beside peers that have sent FIN and do not read"
    fi
    peer_continue stalled ${ended[@]+"${ended[@]}"}
    assert_peer_succeeds stalled
    assert_server_healthy
}

@test "a second round of 100 clients costs no more memory than the first" {
    local before after round peers n=100 hold=(wait)

    need_proc
    if [ -n "${SERVER:-}" ]; then
        not_for "a garbage collector may free memory later"
    fi
    if stage_allows one_at_a_time; then
        hold=()
    fi
    # Otherwise a sanitizer would keep freed memory.
    server_start "ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=0:\
thread_local_quarantine_size_kb=0"
    server_warm_up
    for round in first second; do
        before=$(rss_of "$SERVER_PID")
        # In both rounds have as many connections at once, and touch all their
        # pages.
        peer_start "$round" -n "$n" echo:70000 \
            ${hold[@]+"${hold[@]}"} fin end
        if [ "${#hold[@]}" -gt 0 ]; then
            peer_wait "$round" "$n waiting*"
            peer_continue "$round"
        fi
        assert_peer_succeeds "$round"
        # A connection in the middle that ends badly must be freed as well.
        assert_echoes -n 20 echo:1000 send:1000 reset
        assert_server_healthy
        after=$(rss_of "$SERVER_PID")
    done
    [ $((after - before)) -le 256 ] ||
        fail_because memory "at most 256 KiB more after the $round round" \
            "$((after - before)) KiB more" "a connection's memory isn't freed"
}

@test "idle connections cost no CPU, new ones and ones that were stuck" {
    local peers='' stuck

    server_start
    peer_start stuck send:8M receive wait fin end
    peer_wait stuck '1 waiting*'
    if ! stage_allows one_at_a_time; then
        peer_start peers -n 50 echo:10 wait fin end
        peer_wait peers '50 waiting*'
    fi
    assert_idle "with idle connections"
    peer_continue stuck ${peers:+"$peers"}
    assert_peer_succeeds stuck
    if [ -n "$peers" ]; then
        assert_peer_succeeds peers
    fi
    assert_nothing_logged
}

@test "started with 1,100 open files it serves (03: ends with 1 and why)" {
    need_descriptors 2000
    # shellcheck disable=SC2016 # for the inner shell
    SERVER_WRAP=(bash -c 'for ((i = 3; i < 1100; i++)); do
        eval "exec $i</dev/null"; done; exec "$@"' -)
    if ! stage_allows fd_setsize; then
        server_start
        assert_echoes echo:1000 fin end
        return
    fi
    server_launch
    wait_until "$PATIENCE" server_announced_or_ended
    if ! must_have_limit && server_announced; then
        PORT=${SERVER_LINE##*:}
        assert_echoes echo:1000 fin end
        return
    fi
    wait_for_exit "$SERVER_PID"
    # Other languages have messages of their own.
    local words='^select: no room for descriptor [0-9]'
    must_have_limit || words=.
    [ "$STATUS" -eq 1 ] && grep -q "$words" "$SERVER_ERR" ||
        fail_because fd_setsize \
            "exit status 1, and select: no room for descriptor" \
            "exit status $STATUS" \
            "FD_SET writes past the end of the set: check the listening \
socket too"
}
