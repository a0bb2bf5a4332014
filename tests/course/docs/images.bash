# images.bash -- the pictures
# shellcheck shell=bash
# shellcheck disable=SC2154 # set in check, which loads this

# Pictures: well-formed, described, legible, and each shown in some chapter.
check_images()
{
    local svg size name

    cat 0*/*.[ch] >"$scratch/sources"

    for svg in docs/img/*; do
        [ -e "$svg" ] || continue
        count=$((count + 1))
        grep -qF "${svg##*/}" README.md docs/*.md 2>/dev/null ||
            bad "$svg" "no chapter shows it"
        [[ $svg == *.svg ]] || continue
        if command -v xmllint >/dev/null; then
            xmllint --noout "$svg" 2>"$scratch/xml" ||
                bad "$svg" "not well-formed: $(head -n 1 "$scratch/xml")"
        fi
        grep -q '<title' "$svg" || bad "$svg" "no title"
        grep -q '<desc' "$svg" || bad "$svg" "no desc"
        ! grep -qE '(href|src)="(https?:)?//' "$svg" ||
            bad "$svg" "takes something from elsewhere"
        while IFS= read -r size; do
            [ "${size##*[!0-9]}" -ge 13 ] ||
                bad "$svg" "text of ${size##*[!0-9]} px, less than 13"
        done < <(grep -oE 'font-size[:=]"? *[0-9]+' "$svg")
        # In monospace: calls and functions, some of them libuv's.
        while IFS= read -r name; do
            grep -qw -- "$name" "$scratch/sources" ||
                bad "$svg" "no stage has a $name"
        done < <(grep -E '<text class="m' "$svg" | sed 's/<[^>]*>//g' |
            grep -oE '\b[a-z][a-z0-9]*(_[a-z0-9]+)+' | grep -v '^uv_' |
            sort -u)
    done
}
