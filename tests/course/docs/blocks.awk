# blocks.awk -- takes a chapter's fenced blocks apart
#
# usage: awk -v dir=DIR -f blocks.awk CHAPTER
#
# Writes block N to DIR/N, without its fence's indent, and prints a line for
# each: N, the fence's line, its language, and the comment above it, with tabs
# between. The language and the comment are - where there is none.
BEGIN { OFS = "\t" }

!inside && /^ *(```+|~~~+)/ {
    inside = 1
    match($0, /^ */)
    indent = RLENGTH
    line = substr($0, indent + 1)
    match(line, /^(```+|~~~+)/)
    fence = substr(line, 1, RLENGTH)
    lang = substr(line, RLENGTH + 1)
    gsub(/^ +| +$/, "", lang)
    print ++n, NR, lang == "" ? "-" : lang, comment == "" ? "-" : comment
    comment = ""
    file = dir "/" n
    printf "" > file
    next
}

inside {
    line = $0
    match(line, /^ */)
    line = substr(line, (RLENGTH < indent ? RLENGTH : indent) + 1)
    if (index(line, fence) == 1 && substr(line, length(fence) + 1) ~ /^ *$/) {
        inside = 0
        close(file)
    } else {
        print line > file
    }
    next
}

/^[ \t]*$/ { next }

{
    comment = ""
    if ($0 ~ /^ *<!--.*--> *$/) {
        comment = $0
        sub(/^ *<!-- */, "", comment)
        sub(/ *--> *$/, "", comment)
    }
}

END {
    if (inside)
        print ++n, NR, "-", "unclosed"
}
