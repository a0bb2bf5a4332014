# prose.awk -- prints a chapter with its fenced blocks blanked out
#
# usage: awk [-v spans=1] -f prose.awk CHAPTER
#
# The line numbers stay. With spans=1, prints only the code spans (`like this`
# in the text), each as LINE, tab, span; with spans=0, only what is not in one.
BEGIN { mode = spans == "" ? "all" : spans ? "spans" : "rest" }

!inside && /^ *(```+|~~~+)/ {
    inside = 1
    match($0, /(```+|~~~+)/)
    fence = substr($0, RSTART, RLENGTH)
    if (mode != "spans")
        print ""
    next
}

inside {
    line = $0
    sub(/^ */, "", line)
    if (index(line, fence) == 1 && substr(line, length(fence) + 1) ~ /^ *$/)
        inside = 0
    if (mode != "spans")
        print ""
    next
}

mode == "all" { print; next }

{
    line = $0
    rest = ""
    while (match(line, /`+/)) {
        mark = substr(line, RSTART, RLENGTH)
        tail = substr(line, RSTART + RLENGTH)
        end = index(tail, mark)
        if (end == 0)
            break
        rest = rest substr(line, 1, RSTART - 1) "`"
        span = substr(tail, 1, end - 1)
        gsub(/^ +| +$/, "", span)
        if (mode == "spans")
            print NR "\t" span
        line = substr(tail, end + length(mark))
    }
    if (mode == "rest")
        print rest line
}
