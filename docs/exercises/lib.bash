# lib -- what docs/exercises/exercise and tests/course/exercises.bats share
# shellcheck shell=bash
#
# NN.M/solution.patch is a solution of exercise NN.M. Above the diff it has
# these paragraphs, each after its name and a colon (see docs/steps/lib.bash):
#
#     Title     what to do, in a line
#     Time      how long it takes to solve
#     Stage     the stage that the reader gets a copy of
#     Start     a patch that the copy has already, if any
#     Like      whose limits the server may have, if not the stage's
#     Tests     FILE.bats ...: a regular expression for names of the suite's
#               tests that it must pass as well; it may break after a |
#
# NN.M/wrong-NAME.patch turns that into an answer that only looks right; its
# first line says what's wrong with it. tests/exercises/NN.M.bats tells them
# apart.

# shellcheck source-path=SCRIPTDIR source=../steps/lib.bash
. "${BASH_SOURCE[0]%/*}/../steps/lib.bash"
# field and tests_of read from this folder.
STEPS_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

# exercises: prints the numbers of all that are graded, a line each.
exercises()
{
    (cd "$STEPS_DIR" && printf '%s\n' [0-9]*.[0-9]*)
}

# about NN.M NAME: prints that paragraph above its solution.
about()
{
    field "$1/solution" "$2"
}

# start_exercise NN.M DIR: puts what the reader starts from into DIR.
start_exercise()
{
    local start

    start=$(about "$1" Start)
    make_step "$(about "$1" Stage)" "$2" || return 1
    [ -z "$start" ] ||
        (cd "$2" && plain_git apply -p2 "$ROOT_DIR/$start")
}

# answer NN.M NAME DIR: puts that answer into DIR: solution, or wrong-….
answer()
{
    start_exercise "$1" "$3" || return 1
    (
        cd "$3" || exit 1
        plain_git apply "$STEPS_DIR/$1/solution.patch" || exit 1
        [ "$2" = solution ] || plain_git apply "$STEPS_DIR/$1/$2.patch"
    )
}

# grade NN.M SERVER: runs the exercise's tests on that server, and says on stderr
# which of them were skipped. Once they pass, also runs the suite's tests that
# the exercise names: it must still be an echo server.
grade()
{
    local tests like reports status=0

    tests=$(tests_of "$1/solution")
    like=$(about "$1" Like)
    export SERVER=$2 LIKE=${like:-$(about "$1" Stage)}
    reports=$(mktemp -d) || return 1
    FILES=exercises/$1.bats REPORT=tap REPORTS=$reports "$ROOT_DIR/tests/run" ||
        status=1
    sed -n 's/^ok [0-9]* .*\('"$1"': .*\) # skip /not graded: \1: /p' \
        "$reports"/*.tap >&2 2>/dev/null
    rm -rf "$reports"
    [ "$status" -eq 0 ] || return 1
    [ -n "$tests" ] || return 0
    echo "# And the tests that it passed before:"
    FILES=${tests%%: *} FILTER=${tests#*: } "$ROOT_DIR/tests/run"
}
