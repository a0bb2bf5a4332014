#!/usr/bin/env bats
# docs.bats -- the chapters say what the project does (see tests/course/docs/check)
#
# The last part tries the checker itself on a tiny project with one chapter in
# which all is right, and one for each kind of fault that it must tell.

root=$BATS_TEST_DIRNAME/../..
docs=$BATS_TEST_DIRNAME/docs

setup_file()
{
    export DOCS_BUILT=$BATS_FILE_TMPDIR/built

    # A failure is told by the tests that need the copy.
    "$BATS_TEST_DIRNAME/docs/check" build "$DOCS_BUILT" 2>/dev/null || :
}

# The counts of all chapters together, as a TAP comment.
teardown_file()
{
    awk '{ n[$1] += $2 }
        END { for (kind in n) print "# docs: " n[kind], kind, "checked" }' \
        "$BATS_FILE_TMPDIR/counts" | sort -k 4 >&3
}

# Checks a chapter; what is skipped becomes a TAP comment.
check()
{
    cd "$root" || return
    run "$docs/check" "$@"
    [ "$status" -eq 0 ] || printf '%s\n' "$output" \
        "(what a chapter's comments mean: tests/course/docs/check)"
    echo "$1 ${lines[-1]}" >>"$BATS_FILE_TMPDIR/counts"
    grep ' skipped: ' <<<"$output" | sed 's/^/# /' >&3 || :
    [ "$status" -eq 0 ]
}

# Checks a faulty chapter of the tiny project: it must find the problems that
# stand beside it in NAME.expect, and no more.
must_fail()
{
    local line name=${2:-$1}
    local expect=$BATS_TEST_TMPDIR/expect

    export DOCS_ROOT=$docs/fixtures DOCS_DEADLINE=0
    unset DOCS_BUILT
    name=${name##*/}
    cp "$docs/fixtures/docs/bad/${name%.md}.expect" "$expect"
    # What only a tool that is not here would tell.
    man -w 2 read >/dev/null 2>&1 || sed -i.all '/is no man page/d' "$expect"
    command -v xmllint >/dev/null || sed -i.all '/well-formed/d' "$expect"
    run "$docs/check" "$@"
    echo "$output"
    [ "$status" -eq 1 ]
    while IFS= read -r line; do
        [[ $output == *"$line"* ]] || {
            echo "not told: $line"
            return 1
        }
    done <"$expect"
    [[ $output == *" $(wc -l <"$expect" | tr -d ' ') wrong" ]]
}

@test "README.md: C and diff blocks stand so in the source" {
    check quotes README.md
}

@test "README.md: the commands give what is shown" {
    check console README.md
}

@test "README.md: links, anchors and pictures are there" {
    check links README.md
}

@test "README.md: targets, paths and functions exist" {
    check names README.md
}

@test "README.md: the figures are those measured" {
    check figures README.md
}

@test "docs/README.md: C and diff blocks stand so in the source" {
    check quotes docs/README.md
}

@test "docs/README.md: the commands give what is shown" {
    check console docs/README.md
}

@test "docs/README.md: links, anchors and pictures are there" {
    check links docs/README.md
}

@test "docs/README.md: targets, paths and functions exist" {
    check names docs/README.md
}

@test "docs/README.md: the figures are those measured" {
    check figures docs/README.md
}

@test "docs/00-start.md: C and diff blocks stand so in the source" {
    check quotes docs/00-start.md
}

@test "docs/00-start.md: the commands give what is shown" {
    check console docs/00-start.md
}

@test "docs/00-start.md: links, anchors and pictures are there" {
    check links docs/00-start.md
}

@test "docs/00-start.md: targets, paths and functions exist" {
    check names docs/00-start.md
}

@test "docs/00-start.md: the figures are those measured" {
    check figures docs/00-start.md
}

@test "docs/01-blocking.md: C and diff blocks stand so in the source" {
    check quotes docs/01-blocking.md
}

@test "docs/01-blocking.md: the commands give what is shown" {
    check console docs/01-blocking.md
}

@test "docs/01-blocking.md: links, anchors and pictures are there" {
    check links docs/01-blocking.md
}

@test "docs/01-blocking.md: targets, paths and functions exist" {
    check names docs/01-blocking.md
}

@test "docs/01-blocking.md: the figures are those measured" {
    check figures docs/01-blocking.md
}

@test "docs/01-blocking.md: every new call and constant is explained" {
    check calls docs/01-blocking.md
}

@test "docs/02-fork.md: C and diff blocks stand so in the source" {
    check quotes docs/02-fork.md
}

@test "docs/02-fork.md: the commands give what is shown" {
    check console docs/02-fork.md
}

@test "docs/02-fork.md: links, anchors and pictures are there" {
    check links docs/02-fork.md
}

@test "docs/02-fork.md: targets, paths and functions exist" {
    check names docs/02-fork.md
}

@test "docs/02-fork.md: the figures are those measured" {
    check figures docs/02-fork.md
}

@test "docs/02-fork.md: every new call and constant is explained" {
    check calls docs/02-fork.md
}

@test "docs/03-select.md: C and diff blocks stand so in the source" {
    check quotes docs/03-select.md
}

@test "docs/03-select.md: the commands give what is shown" {
    check console docs/03-select.md
}

@test "docs/03-select.md: links, anchors and pictures are there" {
    check links docs/03-select.md
}

@test "docs/03-select.md: targets, paths and functions exist" {
    check names docs/03-select.md
}

@test "docs/03-select.md: the figures are those measured" {
    check figures docs/03-select.md
}

@test "docs/03-select.md: every new call and constant is explained" {
    check calls docs/03-select.md
}

@test "docs/04-poll.md: C and diff blocks stand so in the source" {
    check quotes docs/04-poll.md
}

@test "docs/04-poll.md: the commands give what is shown" {
    check console docs/04-poll.md
}

@test "docs/04-poll.md: links, anchors and pictures are there" {
    check links docs/04-poll.md
}

@test "docs/04-poll.md: targets, paths and functions exist" {
    check names docs/04-poll.md
}

@test "docs/04-poll.md: the figures are those measured" {
    check figures docs/04-poll.md
}

@test "docs/04-poll.md: every new call and constant is explained" {
    check calls docs/04-poll.md
}

@test "docs/05-epoll.md: C and diff blocks stand so in the source" {
    check quotes docs/05-epoll.md
}

@test "docs/05-epoll.md: the commands give what is shown" {
    check console docs/05-epoll.md
}

@test "docs/05-epoll.md: links, anchors and pictures are there" {
    check links docs/05-epoll.md
}

@test "docs/05-epoll.md: targets, paths and functions exist" {
    check names docs/05-epoll.md
}

@test "docs/05-epoll.md: the figures are those measured" {
    check figures docs/05-epoll.md
}

@test "docs/05-epoll.md: every new call and constant is explained" {
    check calls docs/05-epoll.md
}

@test "docs/06-eventloop.md: C and diff blocks stand so in the source" {
    check quotes docs/06-eventloop.md
}

@test "docs/06-eventloop.md: the commands give what is shown" {
    check console docs/06-eventloop.md
}

@test "docs/06-eventloop.md: links, anchors and pictures are there" {
    check links docs/06-eventloop.md
}

@test "docs/06-eventloop.md: targets, paths and functions exist" {
    check names docs/06-eventloop.md
}

@test "docs/06-eventloop.md: the figures are those measured" {
    check figures docs/06-eventloop.md
}

@test "docs/06-eventloop.md: every new call and constant is explained" {
    check calls docs/06-eventloop.md
}

@test "docs/07-inside-node.md: C and diff blocks stand so in the source" {
    check quotes docs/07-inside-node.md
}

@test "docs/07-inside-node.md: the commands give what is shown" {
    check console docs/07-inside-node.md
}

@test "docs/07-inside-node.md: links, anchors and pictures are there" {
    check links docs/07-inside-node.md
}

@test "docs/07-inside-node.md: targets, paths and functions exist" {
    check names docs/07-inside-node.md
}

@test "docs/07-inside-node.md: the figures are those measured" {
    check figures docs/07-inside-node.md
}

@test "docs/08-inside-nginx.md: C and diff blocks stand so in the source" {
    check quotes docs/08-inside-nginx.md
}

@test "docs/08-inside-nginx.md: the commands give what is shown" {
    check console docs/08-inside-nginx.md
}

@test "docs/08-inside-nginx.md: links, anchors and pictures are there" {
    check links docs/08-inside-nginx.md
}

@test "docs/08-inside-nginx.md: targets, paths and functions exist" {
    check names docs/08-inside-nginx.md
}

@test "docs/08-inside-nginx.md: the figures are those measured" {
    check figures docs/08-inside-nginx.md
}

@test "docs/09-next.md: C and diff blocks stand so in the source" {
    check quotes docs/09-next.md
}

@test "docs/09-next.md: the commands give what is shown" {
    check console docs/09-next.md
}

@test "docs/09-next.md: links, anchors and pictures are there" {
    check links docs/09-next.md
}

@test "docs/09-next.md: targets, paths and functions exist" {
    check names docs/09-next.md
}

@test "docs/09-next.md: the figures are those measured" {
    check figures docs/09-next.md
}

@test "docs/measurements.md: C and diff blocks stand so in the source" {
    check quotes docs/measurements.md
}

@test "docs/measurements.md: the commands give what is shown" {
    check console docs/measurements.md
}

@test "docs/measurements.md: links, anchors and pictures are there" {
    check links docs/measurements.md
}

@test "docs/measurements.md: targets, paths and functions exist" {
    check names docs/measurements.md
}

@test "docs/measurements.md: the figures are those measured" {
    check figures docs/measurements.md
}

@test "docs/labs.md: C and diff blocks stand so in the source" {
    check quotes docs/labs.md
}

@test "docs/labs.md: the commands give what is shown" {
    check console docs/labs.md
}

@test "docs/labs.md: links, anchors and pictures are there" {
    check links docs/labs.md
}

@test "docs/labs.md: targets, paths and functions exist" {
    check names docs/labs.md
}

@test "docs/labs.md: the figures are those measured" {
    check figures docs/labs.md
}

@test "docs/instructors.md: C and diff blocks stand so in the source" {
    check quotes docs/instructors.md
}

@test "docs/instructors.md: the commands give what is shown" {
    check console docs/instructors.md
}

@test "docs/instructors.md: links, anchors and pictures are there" {
    check links docs/instructors.md
}

@test "docs/instructors.md: targets, paths and functions exist" {
    check names docs/instructors.md
}

@test "docs/instructors.md: the figures are those measured" {
    check figures docs/instructors.md
}

@test "every chapter is checked here" {
    cd "$root"
    for chapter in docs/*.md; do
        grep -q "check quotes $chapter\$" "$BATS_TEST_FILENAME" || {
            echo "$chapter has no tests in tests/course/docs.bats"
            return 1
        }
    done
}

@test "docs/img: pictures are well-formed, described, legible and shown" {
    check images
}

@test "the checker finds nothing wrong in a chapter that is right" {
    export DOCS_ROOT=$docs/fixtures
    unset DOCS_BUILT
    run "$docs/check" all docs/02-fork.md
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"skipped: no no-such-program here"* ]]
}

@test "the checker tells a wrong quotation" {
    must_fail quotes docs/bad/quotes.md
}

@test "the checker tells output that does not come" {
    must_fail console docs/bad/console.md
}

@test "the checker tells a call that is not explained" {
    must_fail calls docs/bad/02-fork.md
}

@test "the checker tells a link to nowhere" {
    must_fail links docs/bad/links.md
}

@test "the checker tells a name of nothing" {
    must_fail names docs/bad/names.md
}

@test "the checker tells a figure that was not measured" {
    must_fail figures docs/bad/figures.md
}

@test "the checker tells a broken picture" {
    must_fail images
}

@test "the checker tells a missing chapter" {
    run "$docs/check" links docs/none.md
    [ "$status" -eq 1 ]
    [[ $output == *"docs/none.md: is not there"* ]]
}
