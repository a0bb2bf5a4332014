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

# The names among NEW that are not among WORDS: missing NEW WORDS.
missing()
{
    sort -u "$1" | comm -23 - <(sort -u "$2")
}

check_calls()
{
    local file=$1 i new='' old='' name f

    for ((i = 0; i < ${#stages[@]}; i++)); do
        [[ $file == */${stages[i]}.md ]] || continue
        new=${stages[i]}
        ((i == 0)) || old=${stages[i - 1]}
    done
    [ -n "$new" ] || return 0
    idents "$new" >"$scratch/new"
    : >"$scratch/old"
    [ -z "$old" ] || idents "$old" >"$scratch/old"
    missing "$scratch/new" "$scratch/old" >"$scratch/all"
    sed 's/.* //' "$scratch/all" >"$scratch/names"
    sed -n 's/^call //p' "$scratch/all" >"$scratch/calls"
    count=$((count + $(wc -l <"$scratch/names")))
    awk -v spans=1 -f "$here/prose.awk" "$file" | cut -f 2- |
        grep -oE '[A-Za-z_][A-Za-z0-9_]*' >"$scratch/named"
    grep -oE '[a-z_][a-z0-9_]*\([1-8]\)' "$file" | sed 's/(.*//' \
        >"$scratch/pages"
    while IFS= read -r name; do
        f=$(cd "$new" && grep -lw -- "$name" ./*.[ch] | head -n 1)
        bad "$file" "\`$name\` is new in $new/${f#./}, and not explained"
    done < <(missing "$scratch/names" "$scratch/named")
    while IFS= read -r name; do
        bad "$file" "no man page for \`$name\`, as accept(2)"
    done < <(missing "$scratch/calls" "$scratch/pages")
    check_pages "$file"
}

# The man pages that a chapter's text names exist, where there are any.
check_pages()
{
    local file=$1 section name names

    man -w 2 read >/dev/null 2>&1 || return 0
    for section in 1 2 3 4 5 6 7 8; do
        names=$(awk -f "$here/prose.awk" "$file" |
            grep -oE "\\b[a-z_][a-z0-9_.]*\\($section\\)" |
            sed 's/(.*//' | sort -u)
        # shellcheck disable=SC2086 # a word for each
        [ -z "$names" ] || man -w "$section" $names >/dev/null 2>&1 ||
            for name in $names; do
                man -w "$section" "$name" >/dev/null 2>&1 ||
                    bad "$file" "there is no man page $name($section)"
            done
    done
}
