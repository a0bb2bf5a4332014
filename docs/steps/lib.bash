# lib -- what docs/steps/step, docs/steps/update and docs/tools/diff share
# shellcheck shell=bash
#
# NN.M.patch takes a reader from sub-step NN.M-1 to NN.M; the first one starts
# from the stage before NN. Above the diff stand paragraphs, each after its
# name and a colon:
#
#     Adds      what is new, in a sentence or two
#     See       what one can see now, and couldn't one sub-step before, with a
#               console session (see tests/course/docs/check), indented by 4 spaces
#     Not yet   what the program can't do so far
#     Tests     FILE.bats ...: a regular expression for names of tests that
#               pass now; it may break after a |

unset CDPATH
STEPS_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
ROOT_DIR=$(cd "$STEPS_DIR/../.." && pwd)
STAGES_DIR=${STAGES_DIR:-$ROOT_DIR}

# Runs git without the user's settings, and without those of a repository that
# the current folder may be in.
plain_git()
{
    (
        # shellcheck disable=SC2086 # a word for each
        unset ${!GIT_@}
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
        GIT_CEILING_DIRECTORIES=$(cd .. && pwd -P)
        export GIT_CEILING_DIRECTORIES
        git -c diff.algorithm=myers -c diff.noprefix=false \
            -c diff.mnemonicPrefix=false -c diff.context=3 \
            -c color.ui=false -c core.autocrlf=false "$@"
    )
}

# steps [NN]: prints the names of all sub-steps, or of those of stage NN.
steps()
{
    local patch

    for patch in "$STEPS_DIR"/${1:-0?}.*.patch; do
        [ -f "$patch" ] || continue
        patch=${patch##*/}
        echo "${patch%.patch}"
    done | sort -t . -k 1,1 -k 2,2n
}

# stage_of NN.M: prints the stage that the series ends in.
stage_of()
{
    local dirs=("$STAGES_DIR/${1%%.*}"-*/)

    basename "${dirs[0]}"
}

# before NN.M: prints the sub-step before, or the stage that the series starts
# from.
before()
{
    local number=${1#*.} stage=${1%%.*}

    if [ "$number" -gt 1 ]; then
        echo "$stage.$((number - 1))"
    else
        stage_of "0$((10#$stage - 1))"
    fi
}

# head_of NN.M: prints what stands above the diff.
head_of()
{
    sed '/^diff /,$d' "$STEPS_DIR/$1.patch"
}

# field NN.M NAME: prints that paragraph as a line, without its name.
field()
{
    head_of "$1" | awk -v RS= -v name="$2: " 'index($0, name) == 1 {
        gsub(/\n/, " ")
        print substr($0, length(name) + 1)
    }'
}

# session NN.M: prints the console session.
session()
{
    head_of "$1" | sed -n 's/^    //p'
}

# tests_of NN.M: prints FILES: REGEX, whose lines after the first follow a |.
tests_of()
{
    field "$1" Tests | sed 's/| /|/g'
}

# test_names NN.M: prints the names of those tests, a line each.
test_names()
{
    local tests file

    tests=$(tests_of "$1")
    for file in ${tests%%: *}; do
        sed -n 's/^@test "\(.*\)" {.*/\1/p' \
            "$ROOT_DIR"/tests/{,*/}"$file" 2>/dev/null
    done | grep -E "${tests#*: }"
}

# make_step NN.M DIR: puts the sources of that sub-step, or of a stage, into
# DIR.
make_step()
{
    mkdir -p "$2" || return 1
    if [[ $1 != *.* ]]; then
        cp "$STAGES_DIR/$1"/{Makefile,*.[ch]} "$2"
        return
    fi
    make_step "$(before "$1")" "$2" || return 1
    # DIR may be inside a repository: the patch's paths are relative to DIR.
    (cd "$2" && plain_git apply --whitespace=nowarn "$STEPS_DIR/$1.patch") &&
        return
    echo "docs/steps/$1.patch no longer applies: see docs/steps/README.md" >&2
    return 1
}
