# peer -- scripted clients (see tools/peer.c) of the server under test
# shellcheck shell=bash disable=SC2034 # for the tests

# peer [OPTIONS] STEP…: runs the scripted peer (see tools/peer.c) against the
# server, on $LISTEN_HOST. Prints what the peer prints, and returns its status.
peer()
{
    local status=0 said out=$BATS_TEST_TMPDIR/peer.out
    local err=$BATS_TEST_TMPDIR/peer.err

    echo "$*" >"$BATS_TEST_TMPDIR/peer.args"
    "$TOOLS/peer" "${LISTEN_HOST:-localhost}" "$PORT" \
        -t $((PATIENCE * SLOWER)) "$@" >"$out" 2>"$err" || status=$?
    # Like cat, but without a process. read fails at the end of the file.
    IFS= read -r -d '' said <"$out" || true
    printf %s "$said"
    [ ! -s "$err" ] || cat "$err" >&2
    return "$status"
}

# peer_start NAME [OPTIONS] STEP…: starts a peer in the background. The
# functions below take its NAME. It may have to wait for a while, so it gives up
# later.
peer_start()
{
    local name=$1

    shift
    echo "$*" >"$BATS_TEST_TMPDIR/$name.args"
    start "$name" "$TOOLS/peer" "${LISTEN_HOST:-localhost}" "$PORT" \
        -t $((6 * PATIENCE * SLOWER)) "$@"
    printf -v "PEER_${name//[^A-Za-z0-9]/_}" %s "$LAST_PID"
}

# look_up_peer NAME: sets PEER_PID to its process id.
look_up_peer()
{
    local variable=PEER_${1//[^A-Za-z0-9]/_}

    PEER_PID=${!variable}
}

# peer_continue NAME…: lets each of them continue after the `wait` in its
# script.
peer_continue()
{
    local name

    for name in "$@"; do
        look_up_peer "$name"
        kill -USR1 "$PEER_PID" 2>/dev/null ||
            exchange_failed interest "$name goes on, in time" \
                "it had to wait for too long, or was cut off" "$name"
    done
}

# peer_wait NAME PATTERN [SECONDS]: waits until the state that the peer has
# printed matches the pattern, such as '* 0 busy*'. Fails once the state hasn't
# changed for SECONDS (default 10): a slow machine may take its time, a server
# that hangs may not.
peer_wait()
{
    local seen

    until peer_is "$1" "$2"; do
        seen=$PEER_STATE
        wait_until "${3:-10}" not peer_is_at "$1" "$seen" >/dev/null && continue
        exchange_failed interest "the peers come to rest: $2" \
            "a connection is not served" "$1" || return 1
    done
}

# peer_is_at NAME STATE: true if that's the last state that it has printed.
peer_is_at()
{
    look_at_peer "$1"
    [ "$PEER_STATE" = "$2" ]
}

# peer_state NAME: prints the last state that it has printed.
peer_state()
{
    look_at_peer "$1"
    echo "$PEER_STATE"
}

# look_at_peer NAME: sets PEER_STATE to the last state that it has printed,
# without starting a process.
look_at_peer()
{
    PEER_STATE=
    # read up to a NUL fails at the end of the file, which it has read. The
    # file comes with the process, which may be a moment late.
    { read -r -d '' PEER_STATE <"$BATS_TEST_TMPDIR/$1.out"; } 2>/dev/null ||
        true
    PEER_STATE=${PEER_STATE##*$'\n'}
}

# field NAME STATE: prints the number before NAME in a peer's state.
field()
{
    local before

    before=${2%% "$1"*}
    echo "${before##* }"
}

# peer_is NAME PATTERN: true if the last state that it has printed matches.
peer_is()
{
    look_at_peer "$1"
    # shellcheck disable=SC2053 # a pattern
    [[ $PEER_STATE == $2 ]]
}

# bystander: connects a client that exchanges bytes before and after the harm,
# and must not be affected by it; assert_server_healthy checks that. On 01,
# which serves one client at a time, there's none.
bystander()
{
    if stage_allows one_at_a_time; then
        return
    fi
    peer_start bystander -s 7 echo:1000 wait echo:10000 fin end
    BYSTANDER=$LAST_PID
    peer_wait bystander '1 waiting*'
}
