# stage -- what every test needs: the program under test, and its limits
# shellcheck shell=bash disable=SC2034,SC2119,SC2120,SC1091 # for the tests
#
# A bats file says:
#
#     load ../lib/stage
#     setup() { stage_setup; }
#     teardown() { stage_teardown; }
#
# and can use everything in this folder. The environment, which tests/run sets,
# says what to test:
#
#     STAGE       folder of the stage, such as 03-select (default: 05-epoll)
#     STAGES_DIR  where the stages' folders are (default: the project's root)
#     SERVER      another server in place of the stage's: a command, any
#                 language; HOST and PORT are appended
#     CLIENT      another client, in the same way
#     LIKE        the stage whose limits are allowed (default: STAGE)
#     VALGRIND=1  runs server and client under valgrind, and allows ten times
#                 as long
#     PATIENCE    how many seconds an exchange may take (default: 10)
#     RUN_AS      a command that runs server and client, such as tools/cage, so
#                 that they can do less than the suite
#     RUN_DIR     a folder that they can enter then

command -v bats_require_minimum_version >/dev/null || {
    echo "bats is too old, it has to be 1.8 or newer: see README.md" >&2
    exit 1
}
bats_require_minimum_version 1.8.0

# bats records its position before each command, even here; set +T stops that.
set +T
LIB_DIR=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}" && pwd)
TESTS_DIR=${LIB_DIR%/*}
ROOT_DIR=${TESTS_DIR%/*}
STAGES_DIR=${STAGES_DIR:-$ROOT_DIR}
STAGE=${STAGE:-05-epoll}
LIKE=${LIKE:-$STAGE}
TOOLS=$TESTS_DIR/tools

# SLOWER is the factor for every deadline under valgrind. PATIENCE is how many
# seconds an exchange may take that only a bug could delay.
SLOWER=${VALGRIND:+10}
SLOWER=${SLOWER:-1}
PATIENCE=${PATIENCE:-10}

# The tests compare messages.
export LC_ALL=C

. "$LIB_DIR/needs.bash"
. "$LIB_DIR/process.bash"
. "$LIB_DIR/server.bash"
. "$LIB_DIR/peer.bash"
. "$LIB_DIR/shim.bash"
. "$LIB_DIR/assertions.bash"

# Each of these functions is needed only after a failure: its first call reads
# diagnose.bash, which defines it, and calls it again.
for name in client_topic complaint diagnose_client diagnose_copy \
    diagnose_spin exchange_failed explain guilty_faults log_cause log_topic \
    server_death server_is_in sockets_at start_failed unread_bytes \
    zombie_cause; do
    eval "$name() { . \"\$LIB_DIR/diagnose.bash\"; $name \"\$@\"; }"
done
set -T

# stage_setup: call it in setup. Sets the arrays SERVER_CMD and CLIENT_CMD, to
# which a test appends HOST and PORT; SHIM_DIR to a folder for the shim's files,
# and OPEN_DIR to one in which programs may make files.
stage_setup()
{
    # bats records its position before each command, even in functions. Its
    # report needs only the test's line, and the others cost a third of all CPU
    # time: so this comes before everything else.
    set +T
    CAGE=()
    SHIM_DIR=$BATS_TEST_TMPDIR
    OPEN_DIR=$BATS_TEST_TMPDIR
    SERVER_CMD=("$STAGES_DIR/$STAGE/server")
    CLIENT_CMD=("$STAGES_DIR/$STAGE/client")
    # If both are given, test each with the stage's own other half, so that no
    # client is blamed for a bug of its server.
    if [ -n "${SERVER:-}" ] && [ -n "${CLIENT:-}" ]; then
        case $BATS_TEST_DIRNAME in
            */server) CLIENT= ;;
            */client) SERVER= ;;
        esac
    fi
    # Split and unquote the user's words as a shell does.
    if [ -n "${SERVER:-}" ]; then
        eval "SERVER_CMD=($SERVER)"
    fi
    if [ -n "${CLIENT:-}" ]; then
        eval "CLIENT_CMD=($CLIENT)"
    fi
    if [ -n "${VALGRIND:-}" ]; then
        SERVER_CMD=(valgrind -q --log-file="$BATS_TEST_TMPDIR/valgrind.%p"
            "${SERVER_CMD[@]}")
        CLIENT_CMD=(valgrind -q --log-file="$BATS_TEST_TMPDIR/valgrind.%p"
            "${CLIENT_CMD[@]}")
    fi
    if [ -n "${RUN_AS:-}" ]; then
        eval "CAGE=($RUN_AS)"
        # If only one of them is given, the other half is our own.
        [ -z "${SERVER:-}" ] && [ -n "${CLIENT:-}" ] ||
            SERVER_CMD=("${CAGE[@]}" "${SERVER_CMD[@]}")
        [ -z "${CLIENT:-}" ] && [ -n "${SERVER:-}" ] ||
            CLIENT_CMD=("${CAGE[@]}" "${CLIENT_CMD[@]}")
        SHIM_DIR=$RUN_DIR/${BATS_RUN_TMPDIR##*/}.$BATS_SUITE_TEST_NUMBER
        OPEN_DIR=$SHIM_DIR/open
        mkdir -m 711 "$SHIM_DIR"
        mkdir -m 1777 "$OPEN_DIR"
    fi
    set_clean_env
    SERVER_PID=
    SERVER_WRAP=()
    BYSTANDER=
    BASE_FDS=
    STARTED=()
}

# stage_teardown: call it in teardown. Kills every process that start and
# server_start have started, with their children. Fails if a sanitizer has
# complained on the stderr of one.
stage_teardown()
{
    local pid

    [ -n "${BATS_TEST_COMPLETED:-}" ] || explain
    for pid in ${STARTED[@]+"${STARTED[@]}"}; do
        kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    if complaints; then
        echo "A sanitizer or valgrind complained: see the lines above."
        return 1
    fi
    # Nobody reads the files of a test that passed, and a whole run has many.
    [ -z "${BATS_TEST_COMPLETED:-}" ] || rm -rf "${BATS_TEST_TMPDIR:?}"/*
    return 0
}

# complaints: prints what a sanitizer or valgrind has said; fails if nothing.
# (The teardown runs in a trap, where `return` alone would give another status.)
complaints()
{
    local file said=()

    for file in "$BATS_TEST_TMPDIR"/*.err; do
        [ ! -s "$file" ] || said+=("$file")
    done
    if [ -n "${VALGRIND:-}" ]; then
        cat "$BATS_TEST_TMPDIR"/valgrind.* 2>/dev/null | grep .
    elif [ ${#said[@]} -gt 0 ]; then
        grep -hE 'Sanitizer|runtime error:' "${said[@]}"
    else
        false
    fi
}

# stage_allows LIMIT: true if the stage named by LIKE has that limit:
#     one_at_a_time   a second connection waits for the first (01)
#     process_each    a process for each connection (02)
#     fd_setsize      connections beyond FD_SETSIZE are refused (03)
stage_allows()
{
    case $LIKE:$1 in
        01*:one_at_a_time | 02*:process_each | 03*:fd_setsize) return 0 ;;
        *) return 1 ;;
    esac
}
