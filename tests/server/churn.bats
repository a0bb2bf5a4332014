# churn -- connections that come and go, and many that stay

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# cycles N [OPTIONS]: makes N connections and resets them. On 01, which serves
# one at a time, a tenth of N; on 02, where each costs a process, a fiftieth.
cycles()
{
    local n=$1 said

    shift
    assert_backlog 16
    case $LIKE in
        01*) n=$((n / 10)) ;;
        02*) n=$((n / 50)) ;;
    esac
    [ "$n" -gt 0 ] || n=1 # with few CYCLES
    said=$("$TOOLS/churn" "$@" localhost "$PORT" "$n" 2>&1) ||
        fail_because "$(if [[ $said == *backlog* ]]; then echo backlog; else
            echo close; fi)" "$n connections, one after the other" "$said" \
            "connections arrive faster than it accepts and find no room, or \
one that was reset ends the server"
}

# A leak shows as 256 KiB: malloc takes at least 32 bytes for each connection.
CYCLES=${CYCLES:-10000}

@test "10,000 connections (01: 1,000, 02: 200), each reset, leave nothing" {
    server_start
    server_warm_up
    cycles $((CYCLES / 10))
    assert_memory_steady cycles "$CYCLES"
    assert_server_healthy
    assert_idle "with nothing to do"
}

@test "2,000 connections, each reset in the middle of an echo" {
    server_start
    server_warm_up
    cycles $((CYCLES / 50)) -b 10000
    assert_memory_steady cycles $((CYCLES / 5)) -b 10000
    assert_server_healthy
}

@test "100 readers that stall, and a pinger beside them" {
    if stage_allows one_at_a_time; then
        not_for "serving one client at a time is its limit"
    fi
    server_start
    server_warm_up
    assert_backlog 16
    peer_start stalled -n 100 send:256K wait receive fin end
    peer_wait stalled '100 waiting*'
    assert_pings_beside "100 that do not read"
    peer_continue stalled
    assert_peer_succeeds stalled
    assert_server_healthy
}

@test "10,000 idle connections beside active ones" {
    case $LIKE in
        05* | 06*) ;;
        *) not_for "that many are for 05 and 06" ;;
    esac
    need_descriptors 10100
    server_start
    server_warm_up
    assert_backlog 16
    need_descriptors_of_server 10100
    # Each has had an answer, so none is still in the accept queue.
    peer_start idle -n 10000 echo:1 wait echo:100 fin end
    peer_wait idle '10000 waiting*'
    assert_echoes -n 20 echo:256K fin end
    assert_pings_beside "10,000 idle ones"
    assert_idle "with nothing to do"
    # All connections are still open.
    peer_continue idle
    assert_peer_succeeds idle
    assert_server_healthy
}

@test "500 peers that never send, and a pinger beside them" {
    local args=() last=(echo:100 fin end)

    if stage_allows one_at_a_time; then
        not_for "serving one client at a time is its limit"
    fi
    if [[ $LIKE == 06* && -z ${SERVER:-} ]]; then
        args=(-t 1)
        last=(drain)
    fi
    need_descriptors 600
    server_start ${args[@]+"${args[@]}"}
    server_warm_up
    assert_backlog 16
    peer_start slow -n 500 wait "${last[@]}"
    peer_wait slow '500 waiting*'
    assert_pings_beside "500 that do not send"
    # With -t the server itself closes them. (Only /proc knows how many.)
    if [ ${#args[@]} -gt 0 ] && [ -n "$BASE_FDS" ]; then
        wait_until 10 at_baseline ||
            fail_because idle "idle connections are closed after -t seconds" \
                "$(fds_of "$SERVER_PID") descriptors are still open" \
                "the idle timer isn't started, or isn't restarted"
    fi
    # All others are still open.
    peer_continue slow
    assert_peer_succeeds slow
    assert_server_healthy
}

@test "a worker is killed under load, and replaced" {
    local worker

    [[ $LIKE == 06* && -z ${SERVER:-} ]] || not_for "it has no workers"
    server_start -w 2
    wait_until 5 two_workers
    start load "$TOOLS/peer" localhost "$PORT" -n 20 -l -t 30 ping:2000
    for _ in 1 2 3; do
        look_at_children "$SERVER_PID"
        worker=${CHILDREN[0]}
        kill -KILL "$worker"
        wait_until 10 replaced "$worker" ||
            fail_because workers "a new worker for the one killed" \
                "${#CHILDREN[@]} workers" \
                "SIGCHLD isn't handled, or no new worker is started"
    done
    "$TOOLS/peer" localhost "$PORT" -n 20 echo:64K fin end
    kill "$LAST_PID" || true
    wait_until 5 no_zombie
    kill -TERM "$SERVER_PID"
    assert_server_ends 0 "it sends its workers the signal, and waits for them"
}

two_workers()
{
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -eq 2 ]
}

# replaced PID…: true if two other workers run.
replaced()
{
    local pid

    two_workers || return
    for pid in "$@"; do
        [[ " ${CHILDREN[*]} " != *" $pid "* ]] || return
    done
}

two_zombies()
{
    look_at_children "$SERVER_PID"
    [ "$ZOMBIES" -eq 2 ]
}

no_zombie()
{
    look_at_children "$SERVER_PID"
    [ "$ZOMBIES" -eq 0 ]
}

@test "two workers killed at once are both replaced" {
    local killed=()

    [[ $LIKE == 06* && -z ${SERVER:-} ]] || not_for "it has no workers"
    server_start -w 2
    wait_until 5 two_workers
    killed=("${CHILDREN[@]}")
    # A stopped parent gets one SIGCHLD for both.
    stop "$SERVER_PID"
    kill -KILL "${killed[@]}"
    wait_until 5 two_zombies
    resume "$SERVER_PID"
    wait_until 10 replaced "${killed[@]}" ||
        fail_because workers "two new workers" "${#CHILDREN[@]}" \
            "signals of one kind merge: loop until waitpid finds no more"
    wait_until 5 no_zombie
}
