# assertions -- each returns 1 on failure, and says what was expected and why
# shellcheck shell=bash
#
# Assertions with a name from bats-assert do the same as there.

# fail SENTENCE…: prints the sentences, a line each, and returns 1.
fail()
{
    printf '%s\n' "$@"
    return 1
}

# section TOPIC: prints where the course explains it for the stage under test: a
# line of the file topics, or NN#HEADING, a heading in the chapter of stage NN.
section()
{
    local topic stages place found=$1 file

    while read -r topic stages place _; do
        if [ "$topic" = "$1" ] &&
            [[ $stages == *"${LIKE:1:1}"* || $stages == "${SERVER:+S}" ]]; then
            found=$place
            break
        fi
    done <"$LIB_DIR/topics"
    for file in "$ROOT_DIR/docs/${found%%#*}"*.md; do
        echo "docs/${file##*/}#${found#*#}"
    done
}

# fail_because TOPIC EXPECTED CAME CAUSE: how every test says what went wrong,
# with the end of the server's stderr. Returns 1. See section for TOPIC. If the
# server has died meanwhile, that is the cause.
fail_because()
{
    local topic=$1 cause=$4 DEATH DEATH_TOPIC

    if server_death; then
        topic=$DEATH_TOPIC
        cause=$DEATH
    elif [[ $topic:$4 == accept:*' end'*' the server' ]]; then
        cause="it still runs, but after these errors it doesn't accept soon \
enough: pause about 100 ms, then try again"
    fi
    : >"$BATS_TEST_TMPDIR/explained"
    echo "expected: $2"
    echo "got:      $3"
    echo "likely:   $cause"
    echo "read:     $(section "$topic")"
    if [ -s "${SERVER_ERR:-}" ]; then
        echo "the server's stderr ends with:"
        tail -n 5 "$SERVER_ERR"
    fi
    return 1
}

# assert_server_ends STATUS [CAUSE [SECONDS]]: the server, which was told to
# end, does so within this time (default 10 s), with that exit status.
assert_server_ends()
{
    local cause=${2:-"a graceful shutdown is no error, and closes everything"}

    if ! wait_for_exit "$SERVER_PID" "${3:-10}" >/dev/null; then
        fail_because shutdown "the server ends, with status $1" \
            "it still runs after ${3:-10} s" \
            "the loop still watches a descriptor, or a timer still runs: \
$cause"
        return 1
    fi
    [ "$STATUS" -eq "$1" ] ||
        fail_because shutdown "the server ends with status $1" \
            "status $STATUS; $(tail -n 3 "$SERVER_ERR")" "$cause"
}

# assert_echoes [OPTIONS] STEP…: runs a peer, which gets every byte back.
assert_echoes()
{
    peer "$@" ||
        exchange_failed echo "every byte comes back: peer $*" \
            "a connection is dropped, or another one blocks it"
}

# assert_idle WHEN [PID [TIMES]]: for 0.3 s the server (or that process) and its
# children sleep: the kernel lets them run not once, or at most TIMES. WHEN is
# for the message. It may take a few tries: work that was pending comes to its
# end, but a spin doesn't, nor does a timer that wakes the server again and
# again. A SERVER's language may have timers of its own, so it may wake up now
# and then.
assert_idle()
{
    local ms slices pid=${2:-$SERVER_PID} most=${3:-0} TOPIC CAUSE

    [ -r /proc/self/schedstat ] || return 0
    [ -z "${SERVER:-}${CLIENT:-}" ] || most=$((most + 15))
    for _ in 1 2 3 4 5; do
        look_at_time "$pid"
        ms=$CPU_MS slices=$SLICES
        pause 0.3 # the time that is measured
        look_at_time "$pid"
        ms=$((CPU_MS - ms)) slices=$((SLICES - slices))
        if ! alive "$pid"; then
            TOPIC=client
            [ "$pid" != "$SERVER_PID" ] || TOPIC=spin
            fail_because "$TOPIC" "it waits $1" "it has ended" \
                "it takes having nothing to do for the end, or for an error"
            return 1
        fi
        if [ "$ms" -le 10 ] && [ "$slices" -le "$most" ]; then
            return 0
        fi
    done
    diagnose_spin "$pid" "$1"
    fail_because "$TOPIC" "it sleeps $1" \
        "in 0.3 s it woke up $slices times and used $ms ms of CPU" "$CAUSE"
}

# assert_few_lines_logged SECONDS [CONNECTIONS]: in a run of so many seconds the
# server has written at most a line a second to stderr, and one more. What a
# SERVER logs is its own business, several lines for one cause too, and a line
# for each of its CONNECTIONS (default 1): one more of them shows how many that
# are. So there it is the same line that may come only so often.
assert_few_lines_logged()
{
    local lines most=$(($1 + 1))

    if [ -n "${SERVER:-}" ]; then
        lines=$(most_often_said)
        if [ "$lines" -gt "$most" ]; then
            assert_echoes echo:1 fin end
            wait_until 1 said_more_often_than "$lines" >/dev/null || true
            most=$((most + ($(most_often_said) - lines) * ${2:-1}))
        fi
    else
        lines=$(wc -l <"$SERVER_ERR")
    fi
    [ "$lines" -le "$most" ] ||
        fail_because log "at most $most lines on stderr in $1 s" \
            "$lines lines" "a line for each failure: log at most one a second"
}

# most_often_said: prints how often the most frequent line of stderr is there,
# whatever numbers are in it: times, ports, descriptors.
most_often_said()
{
    sed 's/[0-9][0-9]*/N/g' "$SERVER_ERR" | sort | uniq -c | sort -rn |
        awk 'NR == 1 { n = $1 } END { print n + 0 }'
}

said_more_often_than()
{
    [ "$(most_often_said)" -gt "$1" ]
}

# assert_backlog N: listen was told at least N, where ss can tell. With less
# than 16 the tests of many clients wait for minutes: each SYN that finds no
# room in the queue takes a second. The contract is 128.
assert_backlog()
{
    local n

    n=$(backlog)
    [ "${n:-$1}" -ge "$1" ] ||
        fail_because backlog "a backlog of 128 or more" "$n" \
            "listen was called with a small backlog"
}

# backlog: prints the backlog that listen was called with for $PORT (the kernel
# allows at most somaxconn), or nothing where ss can't tell.
backlog()
{
    ss -Hltn "sport = :$PORT" 2>/dev/null |
        awk 'NR == 1 || $3 < n { n = $3 } END { print n }'
}

# assert_logged REGEX [CAUSE [TOPIC]]: a line of the server's stderr matches. The
# words of a SERVER are its own, so there it's enough that stderr has something.
assert_logged()
{
    if [ -n "${SERVER:-}" ]; then
        [ -s "$SERVER_ERR" ]
    else
        grep -q "$1" "$SERVER_ERR"
    fi || fail_because "${3:-log}" "a line on stderr with: $1" \
        "$(head -n 5 "$SERVER_ERR")" \
        "${2:-the error is not logged, or another call changed errno first}"
}

# assert_nothing_logged: the server's stderr is empty. A SERVER may log what it
# likes: docs/labs.md says so.
assert_nothing_logged()
{
    [ -n "${SERVER:-}" ] || [ ! -s "$SERVER_ERR" ] ||
        fail_because "$(log_topic)" \
            "nothing on stderr, since nothing went wrong" \
            "$(wc -l <"$SERVER_ERR") lines" "$(log_cause)"
}

# assert_peer_succeeds NAME: that peer runs its script to the end, and gets the
# right bytes. It may take as long as its state changes within PATIENCE.
assert_peer_succeeds()
{
    local seen

    look_up_peer "$1"
    STATUS=stuck
    look_at_peer "$1"
    until
        seen=$PEER_STATE
        wait_for_exit "$PEER_PID" "$((PATIENCE + 1))"
    do
        look_at_peer "$1"
        [ "$PEER_STATE" != "$seen" ] || break
    done
    if [ "$STATUS" != 0 ]; then
        exchange_failed echo "every byte comes back, and then FIN" \
            "bytes are lost or another client's, or the connection is dropped \
or left open" "$1"
        return 1
    fi
}

# assert_pings_beside WHOM: of 200 round trips beside them half take less than
# 100 ms, and 99 in 100 less than a second, as the machine itself may hold up
# some. A connection that starves waits each time.
assert_pings_beside()
{
    local told median p99

    if ! told=$(peer -t $((3 * PATIENCE * SLOWER)) ping:200 2>&1); then
        exchange_failed starve "200 pings are answered beside $1" \
            "another connection blocks the server, or keeps it busy"
        return 1
    fi
    median=${told##*median } p99=${told##*p99 }
    median=${median%% us*} p99=${p99%% us*}
    [ "$median" -lt $((100000 * SLOWER)) ] &&
        [ "$p99" -lt $((1000000 * SLOWER)) ] ||
        fail_because starve \
            "a median below 100 ms, a p99 below 1 s beside $1" \
            "a median of $median us, a p99 of $p99 us" \
            "it serves one connection until that has nothing more to read, \
and the others starve"
}

# assert_bystander_served: if there is a bystander, it gets its bytes back.
assert_bystander_served()
{
    local pid=$BYSTANDER

    BYSTANDER=
    [ -n "$pid" ] || return 0
    peer_continue bystander
    STATUS=stuck
    wait_for_exit "$pid" || true
    if [ "$STATUS" != 0 ]; then
        fail_because close "a bystander's bytes come back" \
            "its exit status: $STATUS; $(cat "$BATS_TEST_TMPDIR/bystander.err")" \
            "one connection's failure affects another"
        return 1
    fi
}

# at_baseline: the server has no more descriptors and children than after
# server_warm_up.
at_baseline()
{
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -le "$BASE_CHILDREN" ] && has_only_base_fds
}

# assert_server_healthy: ends a test that has harmed connections. The server
# lives, echoes 64 KiB to a new client and the bystander's bytes, has no zombie,
# and as many descriptors and children as server_warm_up has found.
assert_server_healthy()
{
    local TOPIC CAUSE

    if ! alive "$SERVER_PID"; then
        fail_because echo "the server keeps running" "it has exited" \
            "one connection's error was taken for the server's own"
        return 1
    fi
    if ! peer -t $((5 * SLOWER)) echo:65536 fin end >/dev/null 2>&1; then
        exchange_failed starve "a new client gets its 64 KiB back" \
            "an old connection blocks the server, or keeps it busy"
        return 1
    fi
    assert_bystander_served || return 1
    if [ -z "$BASE_FDS" ]; then
        return 0
    fi
    if ! wait_until 10 at_baseline; then
        if [ "$(server_is_in)" = busy ]; then
            diagnose_spin "$SERVER_PID" 'after RST'
            fail_because "$TOPIC" "it sleeps when there's nothing to do" \
                "it uses CPU time without a pause" "$CAUSE"
            return 1
        fi
        fail_because close \
            "$BASE_FDS descriptors and $BASE_CHILDREN children, as before" \
            "$(fds_of "$SERVER_PID") descriptors, $(count_children \
                "$SERVER_PID") children" \
            "a connection wasn't closed, or a child process wasn't reaped"
        return 1
    fi
}

# assert_injected NAME…: the shim has injected faults of each name: otherwise
# the test proves nothing.
assert_injected()
{
    local name

    for name in "$@"; do
        [ "$(faults "$name")" -gt 0 ] || {
            fail "the shim has injected no $name, so this test proves nothing"
            return 1
        }
    done
}

# assert_seeds_pass server|client COMMAND…: runs it; if it fails, says how to
# replay the seed.
assert_seeds_pass()
{
    local side=$1 told seed TOPIC CAUSE

    shift
    if told=$("$@" 2>&1); then
        return 0
    fi
    seed=$(sed -n 's/.*seed \([0-9]*\):.*/\1/p' <<<"$told" | head -n 1)
    guilty_faults "$side" "${seed:-0}" "$@"
    fail_because "$TOPIC" "$SEEDS seeds pass" "$told" "$CAUSE"
    echo "replay:   .ci/soak replay $STAGE $side ${seed:-0}"
    return 1
}

# assert_memory_steady COMMAND…: runs it, and the server's memory grows by at
# most 256 KiB. Something like it should have been run before, so that the
# server has what it will keep. Not counted is the memory of a sanitizer, nor
# that of a SERVER, whose garbage collector may take its time.
assert_memory_steady()
{
    local before after

    if [ ! -r /proc/self/status ]; then
        "$@"
        return
    fi
    wait_until 10 no_children_left
    before=$(rss_of "$SERVER_PID")
    "$@" || return 1
    wait_until 10 no_children_left
    after=$(rss_of "$SERVER_PID")
    if [ -n "${SERVER:-}" ] ||
        grep -q libasan "/proc/$SERVER_PID/maps" 2>/dev/null; then
        return 0
    fi
    [ $((after - before)) -le 256 ] ||
        fail_because memory "at most 256 KiB more after a second round" \
            "$((after - before)) KiB more" \
            "some memory of each connection is never freed"
}

# assert_survives_each_failure KIND ERRNO: for n = 1, 2, … until the nth call of
# the kind no longer comes: it fails, and the server either ends at once with a
# reason, or serves on and has no more descriptors than before; at most the
# connection that the call was for is lost.
assert_survives_each_failure()
{
    local n told rule absent=0

    for ((n = 1; n < 300; n++)); do
        rule=SHIM_FAIL=$1:$2:$n
        shim_count_anew
        if ! server_quick "${SHIM[@]}" "$rule"; then
            [ "$STATUS" -eq 1 ] && [ -s "$SERVER_ERR" ] && continue
            fail_because addresses "exit status 1, and the reason on stderr" \
                "exit status $STATUS with $rule" \
                "the result of a call isn't checked"
            return 1
        fi
        look_at_fds "$SERVER_PID"
        BASE_FDS=$FDS
        told=$(schedule -l -f "$SMALL" -n 1 2>&1) || {
            fail "$told" "with $rule"
            return 1
        }
        # When the call has not come, all have had their turn. (The server may
        # not have come to it yet, but not twice.)
        if [ "$(faults all)" -eq 0 ]; then
            server_quick_end || return 1
            absent=$((absent + 1))
            [ "$absent" -eq 2 ] || continue
            [ "$n" -gt 2 ] || fail "the shim has seen no $1"
            return
        fi
        absent=0
        [[ $told =~ ([0-9]+)\ lost ]]
        if [ "${BASH_REMATCH[1]}" -gt 1 ]; then
            fail_because close "at most the connection that met the failure" \
                "${BASH_REMATCH[1]} lost with $rule" \
                "one connection's failure ends others"
            return 1
        fi
        told=$(schedule -f "$SMALL" -n 1 2>&1) || {
            fail "$told" "with $rule"
            return 1
        }
        if ! wait_until 5 has_only_base_fds; then
            fail_because close "$BASE_FDS descriptors, as before" \
                "$FDS descriptors with $rule" \
                "a descriptor that was opened before the failed call isn't \
closed"
            return 1
        fi
        server_quick_end || {
            fail "with $rule"
            return 1
        }
    done
    fail "after 300 runs there still was one more $1"
}

# has_only_base_fds: the server has no more descriptors than $BASE_FDS.
has_only_base_fds()
{
    look_at_fds "$SERVER_PID"
    [ "$FDS" -le "$BASE_FDS" ]
}
