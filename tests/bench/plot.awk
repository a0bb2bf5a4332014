# plot.awk -- lines over two logarithmic axes, as SVG
#
# input: NAME TAB X TAB Y TAB LOW TAB HIGH TAB NOTE; rows of one NAME together;
# NOTE (of its last row) goes behind the name at the line's end. A stage has
# the color of its number; a line whose NAME ends in +nodelay is dashed.
# variables: title, desc, xlabel, ylabel, css (a file); colors: NAME=NUMBER ...
# for what is no stage; xticks: VALUE=LABEL ... in place of powers of ten

function log10(v)
{
    return log(v) / log(10)
}

function px(v)
{
    return left + (right - left) * (log10(v) - x0) / (x1 - x0)
}

function py(v)
{
    return bottom - (bottom - top) * (log10(v) - y0) / (y1 - y0)
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
    printf "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", px(v), top, bottom
    printf "<text class=\"s\" x=\"%.1f\" y=\"%d\" " \
        "text-anchor=\"middle\">%s</text>\n", px(v), bottom + 20, label
}

function floor(v)
{
    return int(v) - (v < int(v))
}

function abs(v)
{
    return v < 0 ? -v : v
}

function next_tick(e,    v)
{
    v = 10 ^ (e - floor(e + 1e-9))
    return e + log10(v > 1.9 && v < 2.1 ? 2.5 : 2)
}

# The highest 1, 2 or 5 times a power of ten that is not above; logarithms.
function nice(e,    f)
{
    f = floor(e + 1e-9)
    if (f + log10(5) <= e + 1e-9)
        return f + log10(5)
    return f + log10(2) <= e + 1e-9 ? f + log10(2) : f
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
    if (NR == 1 || log10($2) < x0)
        x0 = log10($2)
    if (NR == 1 || log10($2) > x1)
        x1 = log10($2)
    if (NR == 1 || log10($4) < y0)
        y0 = log10($4)
    if (NR == 1 || log10($5) > y1)
        y1 = log10($5)
}

END {
    y0 = nice(y0)
    top_tick = nice(y1)
    y1 = top_tick < y1 - 1e-9 ? next_tick(top_tick) : top_tick
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" " \
        "viewBox=\"0 0 760 430\" width=\"760\" height=\"430\" " \
        "role=\"img\" aria-labelledby=\"title desc\">\n"
    printf "<title id=\"title\">%s</title>\n", title
    printf "<desc id=\"desc\">%s</desc>\n<style>\n", desc
    while ((getline line < css) > 0)
        print line
    print "</style>"
    print "<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"759\" " \
        "height=\"429\" rx=\"10\"/>"
    printf "<text class=\"h\" x=\"24\" y=\"34\">%s</text>\n", title
    printf "<text class=\"s\" x=\"24\" y=\"58\">%s</text>\n", ylabel
    for (tick = nice(y0); tick <= y1 + 1e-9; tick = next_tick(tick)) {
        e = tick
        if (y1 - y0 > 2 && abs(e - floor(e + .5)) > 1e-9)
            continue
        printf "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", left, \
            py(10 ^ e), right
        printf "<text class=\"s\" x=\"%d\" y=\"%.1f\" " \
            "text-anchor=\"end\">%s</text>\n", left - 8, py(10 ^ e) + 5, \
            commas(10 ^ e)
    }
    n_ticks = split(xticks, part, " ")
    for (i = 1; i <= n_ticks; i++) {
        split(part[i], pair, "=")
        sub(/_/, " ", pair[2])
        x_tick(pair[1], pair[2])
    }
    for (e = floor(x0); e <= x1 + .01 && n_ticks == 0; e++)
        if (e >= x0 - .01)
            x_tick(10 ^ e, commas(10 ^ e))
    printf "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", left, top, bottom, \
        right
    printf "<text class=\"s\" x=\"%d\" y=\"%d\" " \
        "text-anchor=\"middle\">%s</text>\n", (left + right) / 2, \
        bottom + 44, xlabel " (both axes logarithmic)"
    for (s = 1; s <= n_series; s++) {
        c = color(name[s])
        d = ""
        for (i = 1; i <= n[s]; i++) {
            d = d (i == 1 ? "M" : "L") sprintf("%.1f %.1f", px(x[s, i]), \
                                               py(y[s, i]))
            if (py(low[s, i]) - py(high[s, i]) > 2)
                printf "<path class=\"c%d\" d=\"M%.1f %.1fV%.1f\"/>\n", c, \
                    px(x[s, i]), py(low[s, i]), py(high[s, i])
        }
        printf "<path class=\"line c%d\"%s d=\"%s\"/>\n", c, \
            name[s] ~ /\+nodelay$/ ? " stroke-dasharray=\"7 5\"" : "", d
        for (i = 1; i <= n[s]; i++)
            printf "<circle class=\"d%d\" cx=\"%.1f\" cy=\"%.1f\" " \
                "r=\"4\"/>\n", c, px(x[s, i]), py(y[s, i])
        end[s] = py(y[s, n[s]])
        order[s] = s
    }
    # Names stand where the lines end, from the top, none over another.
    for (i = 2; i <= n_series; i++)
        for (j = i; j > 1 && end[order[j]] < end[order[j - 1]]; j--) {
            s = order[j]; order[j] = order[j - 1]; order[j - 1] = s
        }
    last = top - 18
    for (i = 1; i <= n_series; i++) {
        at[i] = end[order[i]]
        if (at[i] < last + 19)
            at[i] = last + 19
        last = at[i]
    }
    for (i = n_series; i > 0 && at[i] > bottom - 19 * (n_series - i); i--)
        at[i] = bottom - 19 * (n_series - i)
    for (i = 1; i <= n_series; i++) {
        s = order[i]
        c = color(name[s])
        sub(/\+nodelay$/, ", NODELAY", name[s])
        printf "<path class=\"c%d\" fill=\"none\" stroke-dasharray=\"1 4\" " \
            "d=\"M%.1f %.1fL%d %.1fH%d\"/>\n", c, px(x[s, n[s]]) + 6, \
            end[s], right + 8, at[i], right + 12
        printf "<text class=\"b d%d\" x=\"%d\" y=\"%.1f\">%s</text>\n", c, \
            right + 16, at[i] + 5, name[s] note[s]
    }
    print "</svg>"
}
