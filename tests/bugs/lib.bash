# lib -- what tests/bugs/run and tests/bugs/lab both do with a patch
# shellcheck shell=bash
#
# NAME.patch is a diff with lines before it:
#
#     Bug: what is wrong, in the programmer's words
#     Stage: 03-select
#     Symptom: what its user sees; all that a student is told
#     Caught-by: a regular expression for names of tests; one must turn red
#     Chapter: docs/03-select.md
#     Hint: a question that leads there
#     Build: variables for make, when it takes a sanitizer to see the bug

unset CDPATH
BUGS_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
ROOT_DIR=$(cd "$BUGS_DIR/../.." && pwd)
STAGES_DIR=${STAGES_DIR:-$ROOT_DIR}
MAKE=${MAKE:-$(command -v gmake || echo make)}
export MAKE

# plain_git ARGS…: runs git without the user's configuration and without what a
# git hook exports. It ignores a repository around this folder, since the paths
# in a patch are relative to the folder.
plain_git()
{
    env -i PATH="$PATH" LC_ALL=C HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 \
        GIT_CEILING_DIRECTORIES="$(cd .. && pwd -P)" git "$@"
}

# names: prints the names of all bugs.
names()
{
    local patch

    for patch in "$BUGS_DIR"/*.patch; do
        patch=${patch##*/}
        echo "${patch%.patch}"
    done
}

# field NAME KEY: prints that line of the patch's header.
field()
{
    sed -n "/^diff\\|^---/q; s/^$2: //p" "$BUGS_DIR/$1.patch"
}

# break_stage NAME DIR: puts the stage, with the bug in it, into DIR/STAGE.
break_stage()
{
    local stage

    stage=$(field "$1" Stage)
    mkdir -p "$2" || return 1
    rm -rf "${2:?}/$stage"
    cp -R "$STAGES_DIR/$stage" "$2/$stage" || return 1
    "$MAKE" -s -C "$2/$stage" clean || return 1
    (cd "$2" && plain_git apply --unidiff-zero --recount "$BUGS_DIR/$1.patch")
}
