# timeline.awk -- what timeline.c has seen, as SVG; needs svg.awk
#
# variables: stage, css (a file)

function px(ms)
{
    return left + (right - left) * ms / total
}

function bar(class, from, to, y)
{
    box(class, px(from), y, px(to) - px(from), 24, 4)
}

function ms(t)
{
    return sprintf(t >= 10 ? "%.0f" : t >= 1 ? "%.1f" : "%.2f", t)
}

BEGIN {
    FS = "\t"
    left = 130; right = 736
    total = 640 # the same scale for all stages
}

$1 == "client" {
    n = ++n_events[$2]
    event[$2, n] = $3
    time[$2, n] = $4
    if ($2 > n_clients)
        n_clients = $2
    if ($4 > total)
        total = $4
}

# One bar of process p, which sleeps in a call.
function sleep_bar(p, text, t0, t1)
{
    bar("sleeps", t0, t1, y)
    if (px(t1) - px(t0) > 6.6 * length(text) + 8)
        words("", (px(t0) + px(t1)) / 2, y + 17, "middle", text)
}

# 01 reads from one client until that one closes, then from the next.
function read_bars(t0, t1,    c, t, last)
{
    for (c = 1; c <= n_clients; c++) {
        t = time[c, n_events[c]]
        if (t <= t0)
            continue
        last = t < t1 - 5 ? t : t1
        sleep_bar(0, "in read: client " c, t0, last)
        t0 = last
        if (last == t1)
            return
    }
}

# Ignore states that were seen no more than twice: they are transient.
$1 == "process" && $3 != "runs" && $5 - $4 >= 3 {
    # If it returns to the same wait at once, draw one bar.
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
    height = 148 + 40 * (n_clients + n_processes)
    svg_begin(height, stage ": who waits for whom", \
        "Three clients of " stage " over time: when each is silent, when it " \
        "waits for an answer, and in which call each process of the server " \
        "sleeps meanwhile.")
    words("h", 24, 34, "start", stage ": who waits for whom")
    # The key
    box("silent", 24, 48, 16, 14, 3)
    words("s", 46, 60, "start", "connected, silent")
    box("waits", 174, 48, 16, 14, 3)
    words("s", 196, 60, "start", "waits for an answer")
    dot("d5", 344, 55, 5)
    words("s", 356, 60, "start", "answered after this many ms")
    box("sleeps", 574, 48, 16, 14, 3)
    words("s", 596, 60, "start", "sleeps in this call")
    bottom = height - 52
    for (t = 0; t <= total; t += 100) {
        path("grid", "M" at(px(t)) " 80V" bottom)
        words("s", px(t), bottom + 20, "middle", t)
    }
    words("s", (left + right) / 2, bottom + 40, "middle", \
          "time in ms since the first client connected")
    y = 88
    for (c = 1; c <= n_clients; c++) {
        words("b", left - 12, y + 17, "end", "client " c)
        n = n_events[c]
        bar("silent", time[c, 1], time[c, n], y)
        for (i = 1; i < n; i++) {
            if (event[c, i] != "send")
                continue
            wait = time[c, i + 1] - time[c, i]
            if (px(time[c, i + 1]) - px(time[c, i]) > 3)
                bar("waits", time[c, i], time[c, i + 1], y)
            if (px(time[c, i + 1]) - px(time[c, i]) > 110)
                words("", px(time[c, i] + wait / 2), y + 17, "middle", \
                      "waits " ms(wait) " ms")
            else
                words("s", px(time[c, i + 1]) + 9, y + 17, "start", ms(wait))
            dot("d5", px(time[c, i + 1]), y + 12, 5)
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
