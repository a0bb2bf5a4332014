# plot.awk -- lines over two logarithmic axes, as SVG; needs svg.awk
#
# input: NAME TAB X TAB Y TAB LOW TAB HIGH TAB NOTE; rows of one NAME together;
# NOTE (of its last row) goes behind the name at the line's end. A stage has
# the color of its number; a line whose NAME ends in +nodelay is dashed. The key
# below the picture explains whatever dashes and thin lines it has.
# variables: title, desc, xlabel, ylabel, css (a file); colors: NAME=NUMBER ...
# for what is no stage; xticks: VALUE=LABEL ... in place of powers of ten

# The highest power of ten that is not above v.
function power(v,    p)
{
    for (p = 1; p * 10 <= v * 1.000001; p *= 10)
        ;
    for (; p > v * 1.000001; p /= 10)
        ;
    return p
}

# Not every awk has log: each squaring of the mantissa yields a binary digit.
function log10(v,    e, bit)
{
    for (e = 0; v >= 10; e++)
        v /= 10
    for (; v < 1; e--)
        v *= 10
    for (bit = .5; bit > 1e-9; bit /= 2) {
        v *= v
        if (v >= 10) {
            v /= 10
            e += bit
        }
    }
    return e
}

function px(v)
{
    return left + (right - left) * (log10(v) - log10(x0)) / \
        (log10(x1) - log10(x0))
}

function py(v)
{
    return bottom - (bottom - top) * (log10(v) - log10(y0)) / \
        (log10(y1) - log10(y0))
}

function commas(v,    s, n)
{
    s = sprintf("%g", v)
    if (v >= 100000)
        s = sprintf("%d", v)
    for (n = length(s) - 3; n > 0 && s !~ /\./; n -= 3)
        s = substr(s, 1, n) "," substr(s, n + 1)
    return s
}

function color(name)
{
    sub(/\+nodelay$/, "", name)
    return name in color_of ? color_of[name] : substr(name, 2, 1)
}

function x_tick(v, label)
{
    path("grid", "M" at(px(v)) " " top "V" bottom)
    words("s", px(v), bottom + 20, "middle", label)
}

# The highest 1, 2 or 5 times a power of ten that is not above v.
function nice(v,    p)
{
    p = power(v)
    v *= 1.000001
    return 5 * p <= v ? 5 * p : 2 * p <= v ? 2 * p : p
}

# The next one after tick v.
function next_tick(v)
{
    return nice(v) / power(v) > 1.5 && nice(v) / power(v) < 3 ? 2.5 * v : 2 * v
}

BEGIN {
    FS = "\t"
    left = 70; right = colors ? 548 : 572; top = 78; bottom = 368
    n_colors = split(colors, part, " ")
    for (i = 1; i <= n_colors; i++) {
        split(part[i], pair, "=")
        color_of[pair[1]] = pair[2]
    }
}

{
    if ($1 != name[n_series])
        name[++n_series] = $1
    s = n_series
    i = ++n[s]
    x[s, i] = $2
    y[s, i] = $3
    low[s, i] = $4
    high[s, i] = $5
    note[s] = $6
    if (NR == 1 || $2 < x0)
        x0 = $2
    if (NR == 1 || $2 > x1)
        x1 = $2
    if (NR == 1 || $4 < y0)
        y0 = $4
    if (NR == 1 || $5 > y1)
        y1 = $5
}

END {
    y0 = nice(y0)
    if (y1 > nice(y1) * 1.000001)
        y1 = next_tick(nice(y1))
    svg_begin(452, title, desc)
    words("h", 24, 34, "start", title)
    words("s", 24, 58, "start", "↑ " ylabel " (logarithmic)")
    for (tick = y0; tick <= y1 * 1.000001; tick = next_tick(tick)) {
        # Powers of ten only, where there are many.
        if (y1 > 100 * y0 && tick > power(tick) * 1.000001)
            continue
        path("grid", "M" left " " at(py(tick)) "H" right)
        words("s", left - 8, py(tick) + 5, "end", commas(tick))
    }
    n_ticks = split(xticks, part, " ")
    for (i = 1; i <= n_ticks; i++) {
        split(part[i], pair, "=")
        sub(/_/, " ", pair[2])
        x_tick(pair[1], pair[2])
    }
    for (v = power(x0); v <= x1 * 1.03 && n_ticks == 0; v *= 10)
        if (v >= x0 * .97)
            x_tick(v, commas(v))
    path("axis", "M" left " " top "V" bottom "H" right)
    key = "dot: median of the rounds"
    words("s", right, bottom + 44, "end", xlabel " (logarithmic) →")
    for (s = 1; s <= n_series; s++) {
        c = color(name[s])
        d = ""
        for (i = 1; i <= n[s]; i++) {
            d = d (i == 1 ? "M" : "L") at(px(x[s, i])) " " at(py(y[s, i]))
            if (py(low[s, i]) - py(high[s, i]) > 2) {
                path("c" c, "M" at(px(x[s, i])) " " at(py(low[s, i])) "V" \
                    at(py(high[s, i])))
                key = "dot: median of the rounds; thin vertical line: from " \
                    "the lowest to the highest"
            }
        }
        if (name[s] ~ /\+nodelay$/)
            key = "dashed: the same server with TCP_NODELAY"
        path("line c" c, d, \
            name[s] ~ /\+nodelay$/ ? " stroke-dasharray=\"7 5\"" : "")
        for (i = 1; i <= n[s]; i++)
            dot("d" c, px(x[s, i]), py(y[s, i]), 4)
        end[s] = py(y[s, n[s]])
        order[s] = s
    }
    # Put each name where its line ends, from the top, without overlaps.
    for (i = 2; i <= n_series; i++)
        for (j = i; j > 1 && end[order[j]] < end[order[j - 1]]; j--) {
            s = order[j]; order[j] = order[j - 1]; order[j - 1] = s
        }
    last = top - 18
    for (i = 1; i <= n_series; i++) {
        place[i] = end[order[i]]
        if (place[i] < last + 19)
            place[i] = last + 19
        last = place[i]
    }
    for (i = n_series; i > 0 && place[i] > bottom - 19 * (n_series - i); i--)
        place[i] = bottom - 19 * (n_series - i)
    for (i = 1; i <= n_series; i++) {
        s = order[i]
        c = color(name[s])
        sub(/\+nodelay$/, ", NODELAY", name[s])
        # A line that ends earlier would seem to go on.
        if (px(x[s, n[s]]) > right - 1)
            path("c" c, "M" right + 6 " " at(end[s]) "L" right + 8 " " \
                at(place[i]) "H" right + 12, \
                " fill=\"none\" stroke-dasharray=\"1 4\"")
        words("b d" c, right + 16, place[i] + 5, "start", name[s] note[s])
    }
    words("s", 24, bottom + 68, "start", key)
    print "</svg>"
}
