# calls.bash -- calls and constants, explained
# shellcheck shell=bash
# shellcheck disable=SC2154 # set in check, which loads this

stages=(01-blocking 02-fork 03-select 04-poll 05-epoll 06-eventloop)

# The calls and constants of a stage, headers first: they declare.
idents()
{
    find "$1" -name '*.[ch]' | sort -r |
        xargs awk -f "$here/idents.awk" | sort
}

# True if a word stands in a chapter's code spans, which are in $scratch.
in_spans()
{
    grep -qE "(^|[^A-Za-z0-9_])$1([^A-Za-z0-9_]|\$)" "$scratch/spans"
}

check_calls()
{
    local file=$1 i new='' old='' kind name f

    for ((i = 0; i < ${#stages[@]}; i++)); do
        [[ $file == */${stages[i]}.md ]] || continue
        new=${stages[i]}
        ((i == 0)) || old=${stages[i - 1]}
    done
    [ -n "$new" ] || return 0
    awk -v spans=1 -f "$here/prose.awk" "$file" | cut -f 2- >"$scratch/spans"
    idents "$new" >"$scratch/new"
    : >"$scratch/old"
    [ -z "$old" ] || idents "$old" >"$scratch/old"
    while read -r kind name; do
        count=$((count + 1))
        if ! in_spans "$name"; then
            f=$(cd "$new" && grep -lw -- "$name" ./*.[ch] | head -n 1)
            bad "$file" "\`$name\` is new in $new/${f#./}, and not explained"
        fi
        [ "$kind" = const ] || grep -qE "\\b$name\\([1-8]\\)" "$file" ||
            bad "$file" "no man page for \`$name\`, as accept(2)"
    done < <(comm -23 "$scratch/new" "$scratch/old")
    check_pages "$file"
}

# The man pages that a chapter names exist, where there are any.
check_pages()
{
    local file=$1 section name names

    man -w 2 read >/dev/null 2>&1 || return 0
    for section in 1 2 3 4 5 6 7 8; do
        names=$(grep -oE "\\b[a-z_][a-z0-9_.]*\\($section\\)" "$file" |
            sed 's/(.*//' | sort -u)
        # shellcheck disable=SC2086 # a word for each
        [ -z "$names" ] || man -w "$section" $names >/dev/null 2>&1 ||
            for name in $names; do
                man -w "$section" "$name" >/dev/null 2>&1 ||
                    bad "$file" "there is no man page $name($section)"
            done
    done
}
