#!/usr/bin/env bats
# docs -- the chapters say what the project does (see tests/course/docs/check)
#
# A problem is told as CHAPTER:LINE: what. The last tests try the checker on a
# tiny project: one chapter in which all is right, and one for each kind of
# check, with the faults that it must tell beside it in NAME.expect.

load ../lib/stage

setup()
{
    need python3
    cd "$ROOT_DIR" || return
}

# check KIND [CHAPTER…]: tells how much was checked, and what was skipped.
check()
{
    run "$TESTS_DIR/course/docs/check" "$@"
    sed -n -e "\$s/^/# docs: $1: /p" -e '/: skipped: /s/^/# /p' <<<"$output" >&3
    echo "$output"
    [ "$status" -eq 0 ] || fail "what a chapter's comments mean:" \
        "tests/course/docs/check"
    [[ $output != *$'\n'0\ checked* ]]
}

@test "docs: C and diff blocks stand so in the source" {
    check quotes README.md docs/*.md
}

@test "docs: the commands give what is shown" {
    check console README.md docs/*.md
}

@test "docs: links, anchors and pictures are there" {
    check links README.md .github/*.md docs/*.md docs/steps/README.md
}

@test "docs: a chapter links the terms of the glossary that it uses" {
    check terms docs/0*.md docs/labs.md
}

@test "docs: targets, paths and functions exist" {
    check names README.md .github/*.md docs/*.md docs/steps/README.md
}

@test "docs: the figures are those measured" {
    check figures README.md docs/*.md
}

@test "docs: every new call and constant is explained" {
    check calls docs/0[1-6]-*.md
}

@test "docs: pictures are well-formed, described, legible and shown" {
    check images
}

@test "docs: the checker finds nothing wrong in a chapter that is right" {
    DOCS_ROOT=$TESTS_DIR/course/docs/fixtures \
        run "$TESTS_DIR/course/docs/check" all docs/02-fork.md
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"skipped: no no-such-program here"* ]]
}

@test "docs: the checker tells each planted fault, and nothing else" {
    local expect chapter name line told=$BATS_TEST_TMPDIR/expect

    export DOCS_ROOT=$TESTS_DIR/course/docs/fixtures DOCS_DEADLINE=0
    for expect in "$DOCS_ROOT"/docs/bad/*.expect; do
        name=$(basename "$expect" .expect)
        chapter=docs/bad/$name.md
        [ "$name" != images ] || chapter=
        run "$TESTS_DIR/course/docs/check" "${name/02-fork/calls}" $chapter
        echo "$output"
        [ "$status" -eq 1 ]
        # What only man could tell.
        man -w read >/dev/null 2>&1 && cp "$expect" "$told" ||
            grep -v 'there is no man page' "$expect" >"$told"
        while IFS= read -r line; do
            [[ $output == *"$line"* ]] || fail "$name: not told: $line"
        done <"$told"
        [[ $output == *" $(grep -c . "$told") wrong" ]]
    done
}

@test "docs: the checker tells a missing chapter" {
    run "$TESTS_DIR/course/docs/check" links docs/none.md
    [ "$status" -eq 1 ]
    [[ $output == *"docs/none.md: is not there"* ]]
}
