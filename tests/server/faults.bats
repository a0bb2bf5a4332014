# faults -- what goes wrong on one connection stays there

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

@test "clients that reset before accept, without and with data, harm nobody" {
    server_start
    server_warm_up
    bystander
    stop "$SERVER_PID"
    peer -n 20 reset
    peer -n 20 send:1000 reset
    resume "$SERVER_PID"
    assert_server_healthy
}

@test "clients that reset in the middle of the stream harm nobody" {
    server_start
    server_warm_up
    bystander
    # Without pending output read meets the reset; otherwise it may be write.
    assert_echoes -n 20 echo:5000 reset
    assert_echoes -n 20 echo:5000 send:200K reset
    assert_server_healthy
}

@test "200 stalled clients that reset at once harm nobody" {
    local n=200

    if stage_allows one_at_a_time; then
        n=1
    fi
    server_start
    server_warm_up
    bystander
    peer_start peers -n "$n" -b 2000 send:100K wait reset
    peer_wait peers "$n waiting*"
    stop "$SERVER_PID"
    peer_continue peers
    assert_peer_succeeds peers
    resume "$SERVER_PID"
    assert_server_healthy
}

@test "writing to clients that have left does not end the server (SIGPIPE)" {
    server_start
    server_warm_up
    bystander
    stop "$SERVER_PID"
    # Send more than one buffer of the server, so that it writes again after the
    # first RST, and little enough for the FIN to come first.
    peer -n 5 send:48K close
    peer -n 5 send:100K close
    resume "$SERVER_PID"
    assert_server_healthy
}

@test "readers that stall, then send FIN or RST, cost the others nothing" {
    local i sizes=(1M 3M 5M 512M) stalled=()

    if stage_allows one_at_a_time; then
        not_for "others wait for a client that stalls: that is its limit"
    fi
    server_start
    server_warm_up
    bystander
    # Some FINs reach the server while its own output is stuck.
    for i in "${!sizes[@]}"; do
        peer_start "stalled$i" -b 2000 "send:${sizes[i]}" wait \
            fin wait reset
        stalled+=("stalled$i")
    done
    for i in "${stalled[@]}"; do
        peer_wait "$i" '1 waiting*'
    done
    assert_echoes -n 5 ping:50
    peer_continue "${stalled[@]}"
    for i in "${stalled[@]}"; do
        peer_wait "$i" '1 waiting*'
    done
    assert_idle "beside stalled readers that have sent FIN"
    assert_echoes -n 5 ping:50
    peer_continue "${stalled[@]}"
    for i in "${stalled[@]}"; do
        assert_peer_succeeds "$i"
    done
    assert_idle "after the stalled readers' RST"
    assert_server_healthy
}

@test "16 flooding clients do not starve one that says little" {
    local flood

    if stage_allows one_at_a_time; then
        not_for "others wait for a client that floods: that is its limit"
    fi
    server_start
    server_warm_up
    bystander
    peer_start flood -n 16 flood fin end
    wait_until 10 peer_is flood '* 16 busy* [1-9]* received'
    assert_pings_beside "16 that flood"
    peer_continue flood
    assert_peer_succeeds flood
    assert_server_healthy
}

@test "Ctrl-Z and fg disturb nobody, idle or in the middle of the stream" {
    local n=5 i

    if stage_allows one_at_a_time; then
        n=1
    fi
    server_start
    server_warm_up
    stop "$SERVER_PID"
    resume "$SERVER_PID"
    peer_start peers -n "$n" echo:1000 wait flood fin end
    peer_wait peers "$n waiting*"
    peer_continue peers
    wait_until 10 peer_is peers "* $n busy* [1-9]?????* received"
    for i in 1 2 3; do
        stop "$SERVER_PID"
        resume "$SERVER_PID"
        nap
    done
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_healthy
    assert_nothing_logged
}

@test "Ctrl-Z and fg in the middle of a write that blocks: no byte is lost" {
    local n=5 pid

    if stage_allows one_at_a_time; then
        n=1
    fi
    server_start
    server_warm_up
    peer_start peers -n "$n" send:64M wait receive fin end
    peer_wait peers "$n waiting*"
    # The write returns how much it has written so far: a short write.
    for pid in $(children_of "$SERVER_PID") "$SERVER_PID"; do
        stop "$pid"
        resume "$pid"
    done
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_healthy
    assert_nothing_logged
}

@test "transient errors of accept are logged, and the next client is served" {
    local error

    for error in ECONNABORTED EPROTO ENOBUFS ENOMEM EPERM; do
        under_strace -e trace=accept,accept4 \
            -e inject="accept,accept4:error=$error:when=1"
        peer -t 5 echo:1000 fin end && alive "$SERVER_PID" ||
            fail_because accept "served, after an accept with $error" \
                "$(complaint)" "an error of accept ends the server"
        case ${SERVER:+yours}$error in
            yours*) ;; # your server may log what it likes
            # The client has given up: no need to log that.
            ECONNABORTED) assert_nothing_logged ;;
            *) assert_logged '^accept: .' ;;
        esac
        assert_few_lines_logged 1
        server_kill
    done
}

@test "100 connections that left before accept hold nobody up" {
    # Other systems report these as ECONNABORTED. A pause after each would take
    # 10 s.
    under_strace -e trace=accept,accept4 \
        -e inject=accept,accept4:error=ECONNABORTED:when=1..100
    peer -t $((5 * SLOWER)) echo:1000 fin end ||
        fail_because accept "served at once, after 100 ECONNABORTED" \
            "$(complaint)" "it pauses after each of them: ECONNABORTED needs \
no pause"
    assert_server_healthy
}

@test "accept without descriptors (EMFILE): no spin, no end, few lines" {
    local began

    under_strace -e trace=accept,accept4 \
        -e inject=accept,accept4:error=EMFILE:when=1..5
    began=$SECONDS
    peer -t 10 echo:1000 fin end && alive "$SERVER_PID" ||
        fail_because accept "served, after five accepts with EMFILE" \
            "$(complaint)" "it closes the connection: the client should wait \
until a descriptor is free"
    assert_logged '^accept: Too many open files'
    assert_few_lines_logged $((SECONDS - began + 1))
}

@test "clients that it has no memory to wait for are dropped, and that is logged" {
    local call rules began

    case ${SERVER:+yours}$LIKE in
        # Two arrays for 64, a client before, and 65: the first array grows, for
        # each client that comes then.
        04*) call=realloc rules=$(printf ,malloc:ENOMEM:%d 69 71 73 75 77) ;;
        # The listening socket, a client before, and the first of these.
        05*) call=epoll_ctl rules=,epoll_ctl:ENOMEM:3-7 ;;
        *) not_for "only 04's arrays and 05's epoll_ctl can fail so" ;;
    esac
    need_shim echo_once
    server_start "${SHIM[@]}" "SHIM_FAIL=${rules#,}"
    server_warm_up
    began=$SECONDS
    peer_start peers -n 70 -l echo:1 wait fin end
    peer_wait peers '* 0 busy*'
    # The arrays of a lab may grow at another time.
    [ "$(faults all)" -gt 0 ] && ! grep -q '^accept: ' "$SERVER_ERR" ||
        not_for "the failed call isn't the one that it's about"
    assert_logged "^$call: Cannot allocate memory"
    assert_few_lines_logged $((SECONDS - began + 1))
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_healthy
}

# failed_accepts: prints how many accepts strace has made fail.
failed_accepts()
{
    grep -c EMFILE "$BATS_TEST_TMPDIR/strace" || true
}

accepts_fail()
{
    [ "$(failed_accepts)" -gt 0 ]
}

@test "accept without descriptors (EMFILE) for long: tried now and then" {
    local client before n

    # libuv, for example, takes a spare descriptor and closes the connection:
    # limits.bats tests that.
    [ -z "${SERVER:-}" ] || not_for "it may do something else than pause"
    # With -I 2, a signal ends strace, and the server runs on.
    under_strace -I 2 -e trace=accept,accept4 \
        -e inject=accept,accept4:error=EMFILE
    peer_start client echo:1000 fin end
    wait_until 10 accepts_fail ||
        fail "strace has made no accept fail, so this test proves nothing"
    before=$(failed_accepts)
    pause 0.5 # the time that is measured
    n=$(($(failed_accepts) - before))
    [ "$n" -le 50 ] ||
        fail_because accept \
            "at most 50 failed calls of accept in half a second" \
            "$n" "no pause after EMFILE: a spin, since the client is still in \
the accept queue"
    # Without strace, accept works again.
    kill "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$SERVER_PID/status")"
    assert_peer_succeeds client
}

one_is_accepted()
{
    grep -qE '\) += [0-9]+$' "$BATS_TEST_TMPDIR/strace"
}

@test "accept without descriptors (EMFILE) beside a busy client: as rarely" {
    local before n began limit

    [ -z "${SERVER:-}" ] || not_for "it may do something else than pause"
    if stage_allows one_at_a_time; then
        not_for "it accepts no other client while it has one"
    fi
    under_strace -I 2 -e trace=accept,accept4 \
        -e inject=accept,accept4:error=EMFILE:when=2+
    peer_start busy ping:1000000
    wait_until 10 one_is_accepted
    peer_start client echo:1000 fin end
    wait_until 10 accepts_fail ||
        fail "strace has made no accept fail, so this test proves nothing"
    look_at_clock
    began=$NOW_MS
    before=$(failed_accepts)
    pause 0.3 # the time that is measured
    n=$(($(failed_accepts) - before))
    look_at_clock
    # A pause lasts 100 ms. Allow twice as many, and a few more.
    limit=$(((NOW_MS - began) / 50 + 5))
    [ "$n" -le "$limit" ] ||
        fail_because accept \
            "at most $limit calls of accept in $((NOW_MS - began)) ms, as they fail" \
            "$n" "any event ends the pause: compare the time with a deadline"
    # Without strace, accept works again.
    kill "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$SERVER_PID/status")"
    assert_peer_succeeds client
}

@test "EINTR is no error: in accept, and in the wait for events" {
    local waits='?epoll_wait,epoll_pwait,?poll,ppoll,?select,pselect6'

    under_strace -e "trace=accept,accept4,$waits" \
        -e inject=accept,accept4:error=EINTR:when=1+2 \
        -e "inject=$waits:error=EINTR:when=1+3"
    peer -n 5 -t 10 echo:20000 fin end && alive "$SERVER_PID" ||
        fail_because eintr "5 clients served, with EINTR every few calls" \
            "$(complaint)" "EINTR was taken for an error"
    assert_nothing_logged
}

@test "EINTR is no error: in write" {
    # The first write prints the line on stdout.
    under_strace -e trace=write -e inject=write:error=EINTR:when=2+3
    peer -n 5 -t 10 echo:50000 fin end && alive "$SERVER_PID" ||
        fail_because eintr "5 clients served, with EINTR every few writes" \
            "$(complaint)" "EINTR was taken for an error"
}

# read_before N: prints how many bytes the server has read from all other
# connections before its second read from the one that it accepted as the Nth.
read_before()
{
    # shellcheck disable=SC2016 # awk's
    awk -v small="$1" '
        !/= [1-9][0-9]*$/ { next }
        / accept4?\(/ { number[$NF] = ++n }
        / (read|recvfrom)\(/ {
            match($0, /\([0-9]+/)
            from = number[substr($0, RSTART + 1, RLENGTH - 1)]
            if (from != small && from > 0)
                sum += $NF
            if (from == small && ++times == 2)
                exit
        }
        END { print sum + 0 }' "$BATS_TEST_TMPDIR/strace"
}

@test "each connection has its turn: between two that send much, a third" {
    local i=0 size bytes turn=16384

    if stage_allows one_at_a_time || stage_allows process_each; then
        not_for "the kernel schedules its processes"
    fi
    if [[ $LIKE == 06* ]]; then
        turn=65536
    fi
    [ -z "${SERVER:-}" ] || not_for "it may read more in one iteration"
    under_strace -s 0 -e trace=accept,accept4,read,recvfrom
    # Whatever the server's order is, by age or by who was ready first, one with
    # much to send comes before the small one.
    for size in 200K 1 200K; do
        peer_start "sends$i" echo:1 wait "send:$size" receive fin end
        peer_wait "sends$i" '1 waiting*'
        i=$((i + 1))
    done
    stop "$SERVER_PID"
    peer_continue sends0 sends2
    wait_until 10 peer_is sends0 '* 204801 sent*'
    wait_until 10 peer_is sends2 '* 204801 sent*'
    peer_continue sends1
    wait_until 10 peer_is sends1 '* 2 sent*'
    resume "$SERVER_PID"
    for i in 0 1 2; do
        assert_peer_succeeds "sends$i"
    done
    # Each of the others may have one read, after the byte that it sent first.
    bytes=$(read_before 2)
    [ "$bytes" -gt 2 ] && [ "$bytes" -le $((2 * turn + 2)) ] ||
        fail_because starve \
            "a read from each of the others, then the third's turn" \
            "$bytes bytes read from the others" \
            "it serves one connection until that has nothing more to read, \
and the others starve"
}
