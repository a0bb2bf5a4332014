# timeline.awk -- what timeline.c has seen, as SVG
#
# variables: stage, css (a file)

function px(ms)
{
    return left + (right - left) * ms / total
}

function bar(class, from, to, y)
{
    printf "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" " \
        "height=\"24\" rx=\"4\"/>\n", class, px(from), y, px(to) - px(from)
}

function words(class, x, y, anchor, text)
{
    printf "<text class=\"%s\" x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">" \
        "%s</text>\n", class, x, y, anchor, text
}

function ms(t)
{
    return sprintf(t >= 10 ? "%.0f ms" : t >= 1 ? "%.1f ms" : "%.2f ms", t)
}

BEGIN {
    FS = "\t"
    left = 130; right = 736
    total = 640 # the same scale for all stages
}

$1 == "client" {
    n = ++n_events[$2]
    event[$2, n] = $3
    at[$2, n] = $4
    if ($2 > n_clients)
        n_clients = $2
    if ($4 > total)
        total = $4
}

# One bar of process p, which sleeps in a call.
function sleep_bar(p, text, t0, t1)
{
    bar("sleeps", t0, t1, y)
    if (px(t1) - px(t0) > 7.4 * length(text) + 8)
        words("", (px(t0) + px(t1)) / 2, y + 17, "middle", text)
}

# 01 reads from one client until that one closes, then from the next.
function read_bars(t0, t1,    c, t, last)
{
    for (c = 1; c <= n_clients; c++) {
        t = at[c, n_events[c]]
        if (t <= t0)
            continue
        last = t < t1 - 5 ? t : t1
        sleep_bar(0, "in read: client " c, t0, last)
        t0 = last
        if (last == t1)
            return
    }
}

# What lasts no longer than two looks is a passing state.
$1 == "process" && $3 != "runs" && $5 - $4 >= 3 {
    # Back in the same wait at once: one bar.
    i = n_calls[$2]
    if (i == 0 || call[$2, i] != $3 || $4 - to[$2, i] > 5)
        i = ++n_calls[$2]
    else
        $4 = from[$2, i]
    call[$2, i] = $3
    from[$2, i] = $4 < 0 ? 0 : $4
    to[$2, i] = $5
    if ($2 + 1 > n_processes)
        n_processes = $2 + 1
}

END {
    for (p = 0; p < n_processes; p++)
        for (i = 1; i <= n_calls[p]; i++)
            if (to[p, i] > total)
                total = to[p, i]
    height = 128 + 40 * (n_clients + n_processes)
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" " \
        "viewBox=\"0 0 760 %d\" width=\"760\" height=\"%d\" " \
        "role=\"img\" aria-labelledby=\"title desc\">\n", height, height
    printf "<title id=\"title\">%s: who waits for whom</title>\n", stage
    printf "<desc id=\"desc\">Three clients of %s over time: when each is " \
        "silent, when it waits for an answer, and in which call each " \
        "process of the server sleeps meanwhile.</desc>\n<style>\n", stage
    while ((getline line < css) > 0)
        print line
    print "</style>"
    printf "<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"759\" " \
        "height=\"%d\" rx=\"10\"/>\n", height - 1
    words("h", 24, 34, "start", stage ": who waits for whom")
    # The key, at the right.
    printf "<rect class=\"silent\" x=\"398\" y=\"22\" width=\"16\" " \
        "height=\"14\" rx=\"3\"/>\n"
    words("s", 420, 34, "start", "connected, silent")
    printf "<rect class=\"waits\" x=\"540\" y=\"22\" width=\"16\" " \
        "height=\"14\" rx=\"3\"/>\n"
    words("s", 562, 34, "start", "waits")
    printf "<circle class=\"d5\" cx=\"620\" cy=\"29\" r=\"5\"/>\n"
    words("s", 632, 34, "start", "is answered")
    bottom = height - 52
    for (t = 0; t <= total; t += 100) {
        printf "<path class=\"grid\" d=\"M%.1f 54V%d\"/>\n", px(t), bottom
        words("s", px(t), bottom + 20, "middle", t)
    }
    words("s", (left + right) / 2, bottom + 40, "middle", \
          "ms since the first client connected")
    y = 62
    for (c = 1; c <= n_clients; c++) {
        words("b", left - 12, y + 17, "end", "client " c)
        n = n_events[c]
        bar("silent", at[c, 1], at[c, n], y)
        for (i = 1; i < n; i++) {
            if (event[c, i] != "send")
                continue
            wait = at[c, i + 1] - at[c, i]
            if (px(at[c, i + 1]) - px(at[c, i]) > 3)
                bar("waits", at[c, i], at[c, i + 1], y)
            if (px(at[c, i + 1]) - px(at[c, i]) > 110)
                words("", px(at[c, i] + wait / 2), y + 17, "middle", \
                      "waits " ms(wait))
            else
                words("s", px(at[c, i + 1]) + 9, y + 17, "start", ms(wait))
            printf "<circle class=\"d5\" cx=\"%.1f\" cy=\"%d\" r=\"5\"/>\n", \
                px(at[c, i + 1]), y + 12
        }
        y += 40
    }
    for (p = 0; p < n_processes; p++) {
        words("b", left - 12, y + 17, "end", p ? "child " p : "server")
        for (i = 1; i <= n_calls[p]; i++) {
            if (p == 0 && call[p, i] == "read")
                read_bars(from[p, i], to[p, i])
            else
                sleep_bar(p, "in " call[p, i], from[p, i], to[p, i])
        }
        y += 40
    }
    print "</svg>"
}
