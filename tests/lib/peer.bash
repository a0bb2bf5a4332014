# peer -- scripted clients (see tools/peer.c) of the server under test
# shellcheck shell=bash disable=SC2034 # for the tests

# peer [OPTIONS] STEP…: runs the scripted peer (see tools/peer.c) against the
# server, on $LISTEN_HOST. Prints what it prints; fails as it fails.
peer()
{
    local status=0

    echo "$*" >"$BATS_TEST_TMPDIR/peer.args"
    "$TOOLS/peer" "${LISTEN_HOST:-localhost}" "$PORT" \
        -t $((PATIENCE * SLOWER)) "$@" \
        >"$BATS_TEST_TMPDIR/peer.out" 2>"$BATS_TEST_TMPDIR/peer.err" ||
        status=$?
    cat "$BATS_TEST_TMPDIR/peer.out"
    [ ! -s "$BATS_TEST_TMPDIR/peer.err" ] ||
        cat "$BATS_TEST_TMPDIR/peer.err" >&2
    return "$status"
}

# peer_start NAME [OPTIONS] STEP…: the same in the background. The others take
# its NAME.
peer_start()
{
    local name=$1

    shift
    echo "$*" >"$BATS_TEST_TMPDIR/$name.args"
    start "$name" "$TOOLS/peer" "${LISTEN_HOST:-localhost}" "$PORT" \
        -t $((PATIENCE * SLOWER)) "$@"
    printf -v "PEER_${name//[^A-Za-z0-9]/_}" %s "$LAST_PID"
}

# peer_pid NAME: prints its process id.
peer_pid()
{
    local variable=PEER_${1//[^A-Za-z0-9]/_}

    echo "${!variable}"
}

# peer_continue NAME…: each goes on from the `wait` in its script.
peer_continue()
{
    local name

    for name in "$@"; do
        kill -USR1 "$(peer_pid "$name")" 2>/dev/null ||
            exchange_failed interest "$name goes on, in time" \
                "it had to wait for too long, or was cut off" "$name"
    done
}

# peer_wait NAME PATTERN [SECONDS]: waits until that peer has told a state
# which matches the pattern, such as '* 0 busy*'; at most 10 s.
peer_wait()
{
    if ! wait_until "${3:-10}" peer_is "$1" "$2"; then
        exchange_failed interest "the peers come to rest: $2" \
            "a connection is not served" "$1"
        return 1
    fi
}

# peer_state NAME: the last state that it has told.
peer_state()
{
    look_at_peer "$1"
    echo "$PEER_STATE"
}

# look_at_peer NAME: sets PEER_STATE to that, and starts no process for it.
look_at_peer()
{
    PEER_STATE=
    # read up to a NUL fails at the end of the file, which it has read.
    read -r -d '' PEER_STATE <"$BATS_TEST_TMPDIR/$1.out" || true
    PEER_STATE=${PEER_STATE##*$'\n'}
}

peer_is()
{
    look_at_peer "$1"
    # shellcheck disable=SC2053 # a pattern
    [[ $PEER_STATE == $2 ]]
}

# bystander: connects a client whose exchange, before and after the harm, must
# not be touched by it; assert_server_healthy asks. None on 01, where it would be in the way.
bystander()
{
    if stage_allows one_at_a_time; then
        return
    fi
    peer_start bystander -t 60 -s 7 echo:1000 wait echo:10000 fin end
    BYSTANDER=$LAST_PID
    peer_wait bystander '1 waiting*'
}
