# bars.awk -- bars side by side, as SVG
#
# input: NAME TAB VALUE TAB LABEL; variables: title, desc, subtitle, xlabel,
# css. It needs svg.awk. All bars are compared with the first: a dashed line
# goes down from its end, and the labels stand apart from it, in a column.

BEGIN { FS = "\t" }

{
    name[NR] = $1
    value[NR] = $2
    label[NR] = $3
    if ($2 > max)
        max = $2
}

function px(v)
{
    return left + (right - left) * v / max
}

END {
    left = 150; right = 590
    bottom = 76 + 26 * NR
    svg_begin(bottom + 56, title, desc)
    words("h", 24, 34, "start", title)
    words("s", 24, 56, "start", subtitle)
    for (v = 0; v <= max; v += 5) {
        path("grid", "M" at(px(v)) " 66V" bottom)
        words("s", px(v), bottom + 20, "middle", v)
    }
    words("s", right, bottom + 42, "end", xlabel " →")
    path("axis", "M" at(px(value[1])) " 66V" bottom, \
        " stroke-dasharray=\"4 4\"")
    for (i = 1; i <= NR; i++) {
        y = 70 + 26 * (i - 1)
        words(name[i] ~ /^0/ ? "b" : "", left - 10, y + 15, "end", name[i])
        box(name[i] ~ /^0[1-6]-/ ? "d" substr(name[i], 2, 1) : "d1", left, y, \
            px(value[i]) - left, 18, 3)
        words("s", 736, y + 14, "end", label[i])
    }
    path("axis", "M" left " 66V" bottom "H" right)
    print "</svg>"
}
