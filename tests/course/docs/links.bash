# links.bash -- links, anchors and their ends
# shellcheck shell=bash
# shellcheck disable=SC2154 # set in check, which loads this

# The anchors that GitHub makes of a file's headings, and those given by hand.
anchors()
{
    awk -f "$here/prose.awk" "$1" |
        sed -nE 's/^ {0,3}#{1,6} +//p; s/.*<a (id|name)="([^"]+)".*/\2/p' |
        sed -E 's/<!--[^>]*-->//g; s/\[([^]]*)\]\([^)]*\)/\1/g; s/ +#* *$//
            s/(→|←|—|–|…|×|\xe2\x80[\x98-\x9d]|−|·)//g' |
        awk '{
            id = tolower($0)
            gsub(/[!-,.\/:-@\[-^`{-~]/, "", id)
            gsub(/ /, "-", id)
            print id (n[id]++ ? "-" n[id] - 1 : "")
        }'
}

# Prints LINE, tab, kind, tab, target for each link and image of a chapter.
links()
{
    awk -v spans=0 -f "$here/prose.awk" "$1" | awk '{
        rest = $0
        while (match(rest, /!?\[[^\]]*\]\([^)]*\)/)) {
            link = substr(rest, RSTART, RLENGTH)
            # A picture that is a link: look at the picture, then at the rest.
            if (match(link, /\[!\[[^\]]*\]\([^)]*\)/))
                link = substr(link, 2)
            at = index(rest, link)
            rest = substr(rest, at + length(link))
            kind = link ~ /^!/ ? "image" : "link"
            if (link ~ /^!\[\]/)
                kind = "no-alt"
            sub(/^!?\[[^\]]*\]\(/, "", link)
            sub(/( +"[^"]*")?\)$/, "", link)
            print NR "\t" kind "\t" link
            while (match(rest, /^\]\([^)]*\)/)) {
                print NR "\tlink\t" substr(rest, 3, RLENGTH - 3)
                rest = substr(rest, RLENGTH + 1)
            }
        }
        rest = $0
        while (match(rest, /(src|href|srcset)="[^"]*"/)) {
            link = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            kind = link ~ /^s/ ? "image" : "link"
            if (link ~ /^src=/ && $0 !~ /alt="[^"]/)
                kind = "no-alt"
            gsub(/^[a-z]*="|"$/, "", link)
            print NR "\t" kind "\t" link
        }
        if (match($0, /^\[[^\]]+\]: +[^ ]+/)) {
            link = substr($0, RSTART, RLENGTH)
            sub(/^\[[^\]]+\]: +/, "", link)
            print NR "\tlink\t" link
        }
    }'
}

check_links()
{
    local file=$1 dir line kind target path anchor

    dir=$(dirname "$file")
    while IFS=$'\t' read -r line kind target; do
        count=$((count + 1))
        [ "$kind" != no-alt ] || bad "$file:$line" "$target has no alt text"
        case $target in
        https://* | mailto:*) continue ;;
        http://*) bad "$file:$line" "$target: not https" && continue ;;
        /* | file:*) bad "$file:$line" "$target is absolute" && continue ;;
        esac
        path=${target%%#*}
        anchor=
        [[ $target != *'#'* ]] || anchor=${target#*#}
        if [ -z "$path" ]; then
            path=$file
        else
            path=$dir/$path
        fi
        if [ ! -e "$path" ]; then
            bad "$file:$line" "$target is not there"
        elif git check-ignore -q "$path" 2>/dev/null; then
            bad "$file:$line" "$target is not in the repository"
        elif [ -n "$anchor" ] && [[ $path == *.md ]] &&
            ! anchors "$path" | grep -qxF -- "$anchor"; then
            bad "$file:$line" "$target: no such heading"
        fi
    done < <(links "$file")
}
