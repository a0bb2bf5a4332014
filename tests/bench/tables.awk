# tables.awk -- results files in; out comes a table or a figure
#
# variables: mode (figure, md, txt) and what (a key, a table's name)

# As many digits as mean something, with commas.
function human(x,    s, n)
{
    if (x !~ /^[0-9.e+-]+$/ || x == "-")
        return x
    if (x >= 99.95) {
        s = sprintf("%.0f", x)
        for (n = length(s) - 3; n > 0; n -= 3)
            s = substr(s, 1, n) "," substr(s, n + 1)
        return s
    }
    return sprintf(x >= 9.995 ? "%.1f" : "%.2f", x)
}

function get(key)
{
    if (!(key in cell)) {
        print "docs: nothing was measured as " key > "/dev/stderr"
        status = 1
        return 0
    }
    return cell[key]
}

# Median and the half of the spread in percent.
function with_spread(key, name,    m, s)
{
    if (!((key ":status") in cell))
        return "-"
    if (cell[key ":status"] == "one-at-a-time")
        return "waits"
    if (cell[key ":status"] ~ /^(too-many|descriptor-limit)/)
        return "–"
    if (cell[key ":status"] != "ok")
        return cell[key ":status"]
    m = cell[key ":" name]
    if (m == 0)
        return "0"
    s = (cell[key ":" name "_max"] - cell[key ":" name "_min"]) / 2 / m
    return human(m) sprintf(" ±%.0f%%", s * 100)
}

function value(key, name)
{
    if (!((key ":" name) in cell))
        return "-"
    return human(cell[key ":" name])
}

function row(text)
{
    lines[++n_lines] = text
}

# Characters, not bytes, in any locale.
function width(s)
{
    gsub(/±|×|–|µ/, "x", s)
    return length(s)
}

function pad(s, n, left,    p)
{
    p = sprintf("%*s", n - width(s) > 0 ? n - width(s) : 0, "")
    return left ? s p : p s
}

# Prints the rows gathered; the first is the head.
function flush(    i, f, n, part, w, line)
{
    for (i = 1; i <= n_lines; i++) {
        n = split(lines[i], part, "\t")
        for (f = 1; f <= n; f++)
            if (width(part[f]) > w[f])
                w[f] = width(part[f])
    }
    for (i = 1; i <= n_lines; i++) {
        split(lines[i], part, "\t")
        line = ""
        for (f = 1; f <= n; f++) {
            if (mode == "md")
                line = line "| " pad(part[f], w[f], f == 1) " "
            else
                line = line (f > 1 ? "  " : "") pad(part[f], w[f], f == 1)
        }
        print line (mode == "md" ? "|" : "")
        if (i == 1 && mode == "md") {
            line = ""
            for (f = 1; f <= n; f++)
                line = line "|" (f == 1 ? ":---" : "---:")
            print line "|"
        }
    }
    n_lines = 0
}

function caption(text)
{
    if (mode == "txt")
        print "\n" text
}

function table_sweep(sweep, head, points,    i, p, n, line, stage, active,
                     idle)
{
    line = head
    for (i = 1; i <= n_stages; i++) {
        stage = stages[i]
        if (mode == "txt")
            sub(/^[0-9]*-/, "", stage)
        line = line "\t" stage
    }
    row(line)
    n = split(points, point, " ")
    for (p = 1; p <= n; p++) {
        active = sweep == "active" ? point[p] : 1
        idle = sweep == "active" ? 0 : point[p]
        line = human(point[p])
        sub(/\.00$/, "", line)
        sub(/\.0$/, "", line)
        for (i = 1; i <= n_stages; i++)
            line = line "\t" with_spread( \
                (sweep == "active" && active == 1 ? "idle" : sweep) ":" \
                stages[i] ":" active ":" idle, "cpu_us")
        row(line)
    }
    flush()
}

function table_stages(    i, key, s, narrow)
{
    narrow = mode == "txt" # a terminal has 80 columns
    row("stage\tcalls for a message\tKiB/conn.\tµs/conn.\tconn./s\tp50\tp99" \
        (narrow ? "" : "\tp99.9"))
    for (i = 1; i <= n_stages; i++) {
        s = stages[i]
        key = "idle:" s ":1:0"
        row(s "\t" in_words(cell["look:" s ":1:0:calls"]) "\t" \
            value("idle:" s ":1:900", "kib_per_conn") "\t" \
            value("connect:" s ":4:0", "cpu_us") "\t" \
            value("connect:" s ":4:0", "rate") "\t" value(key, "p50_us") \
            "\t" value(key, "p99_us") \
            (narrow ? "" : "\t" value(key, "p999_us")))
    }
    flush()
}

function table_peers(    i, one, many, floor_one, floor_many, narrow)
{
    narrow = mode == "txt"
    row("server\t1 conn.: µs\tratio\t50 conn.: µs\tratio" \
        (narrow ? "" : "\tmessages/s") "\tp50 µs\tp99 µs")
    floor_one = cell["peers:bare-epoll:1:0:cpu_us"]
    floor_many = cell["peers:bare-epoll:50:0:cpu_us"]
    for (i = 1; i <= n_peers; i++) {
        one = "peers:" peers[i] ":1:0"
        many = "peers:" peers[i] ":50:0"
        row(peers[i] "\t" with_spread(one, "cpu_us") "\t" \
            human(cell[one ":cpu_us"] / floor_one) "\t" \
            with_spread(many, "cpu_us") "\t" \
            human(cell[many ":cpu_us"] / floor_many) "\t" \
            (narrow ? "" : value(many, "rate") "\t") value(many, "p50_us") "\t" \
            value(many, "p99_us"))
    }
    flush()
}

# A size, with commas but no decimals.
function bytes(n)
{
    n = human(n)
    sub(/\.0+$/, "", n)
    return n
}

# Rows are sizes, columns the stages: CPU of a message or messages a second.
function table_sizes(name,    i, p, line, stage)
{
    line = "bytes"
    for (i = 1; i <= n_sized; i++) {
        stage = sized[i]
        if (mode == "txt")
            sub(/^[0-9]*-/, "", stage)
        line = line "\t" stage
    }
    row(line)
    for (p = 1; p <= n_sizes; p++) {
        line = bytes(sizes[p])
        for (i = 1; i <= n_sized; i++)
            line = line "\t" with_spread("size:" sized[i] ":1:" sizes[p], name)
        row(line)
    }
    flush()
}

# Rows are servers, columns some of the sizes; CPU with its ratio to the bare
# loop's, where there is room.
function table_peer_sizes(name,    i, p, n, line, point, key, floor)
{
    n = split("64 16384 16385 65536 262144 1048576", point, " ")
    line = "server"
    for (p = 1; p <= n; p++)
        line = line "\t" bytes(point[p]) (p == 1 ? " B" : "")
    row(line)
    for (i = 1; i <= n_peer_sized; i++) {
        line = peer_sized[i]
        sub(/\+nodelay/, ", NODELAY", line)
        for (p = 1; p <= n; p++) {
            key = ":1:" point[p] ":" name
            floor = cell["peersize:bare-epoll" key]
            line = line "\t" value("peersize:" peer_sized[i] ":1:" point[p], \
                                   name)
            if (name == "cpu_us" && mode == "md" && floor > 0)
                line = line " (" human(cell["peersize:" peer_sized[i] key] \
                                       / floor) "×)"
        }
        row(line)
    }
    flush()
}

# "read=1.00,write=1.00,poll=0.10" in words. What is made for less than a
# twentieth of the messages is start and end, except for the shared wait.
function in_words(calls,    n, i, part, pair, many, out)
{
    if (calls == "" || calls == "-")
        return "-"
    n = split(calls, part, ",")
    for (i = 1; i <= n; i++) {
        split(part[i], pair, "=")
        if (pair[2] < .05 && pair[1] !~ /wait|poll|select|enter/)
            continue
        many = sprintf(" %.2f", pair[2])
        if (pair[2] > .95 && pair[2] < 1.05)
            many = ""
        if (pair[2] < .05)
            many = " < 0.05"
        out = out (out == "" ? "" : ", ") pair[1] many
    }
    return out
}

function table_looked(    i, key)
{
    row("server\tcalls/message, 1 conn.\t50 conn.\tinstructions, 1 conn.\t10 conn.")
    for (i = 1; i <= n_looked; i++) {
        key = "look:" looked[i]
        row(looked[i] "\t" in_words(cell[key ":1:0:calls"]) "\t" \
            in_words(cell[key ":50:0:calls"]) "\t" \
            value(key ":1:0", "instructions") "\t" \
            value(key ":10:0", "instructions"))
    }
    flush()
}

function table_workers(    i, key)
{
    row("command\tactive\tmessages/s\tµs of CPU a message\tbottleneck")
    for (i = 1; i <= n_workers; i++) {
        key = "workers:" workers[i] ":50:0"
        sub(/w/, "w ", workers[i])
        row("server " workers[i] "\t50\t" with_spread(key, "rate") "\t" \
            with_spread(key, "cpu_us") "\t" cell[key ":limit"])
    }
    flush()
}

function table_guard(    i, part, key)
{
    row("stage\tconnections\tcalls for a message\tinstructions\tlimit")
    for (i = 1; i <= n_guards; i++) {
        key = "guard:" guards[i]
        split(guards[i], part, ":")
        row(part[1] "\t" part[2] "\t" in_words(cell[key ":calls"]) "\t" \
            value(key, "instructions") "\t" cell[key ":limit"])
    }
    flush()
}

function table_timeline(    i, key)
{
    row("stage\tclient 1 waits, ms\tclient 2\tclient 3")
    for (i = 1; i <= n_timed; i++) {
        key = "timeline:" timed[i]
        row(timed[i] "\t" value(key ":1:1", "wait_ms") "\t" \
            value(key ":2:1", "wait_ms") "\t" value(key ":3:1", "wait_ms"))
    }
    flush()
}

function table_machine(    i)
{
    row("what\tmeasured on")
    for (i = 1; i <= n_heads; i++)
        row(heads[i] "\t" head[heads[i]])
    flush()
}

function figure(key,    two, n)
{
    if (sub(/^machine:/, "", key))
        return head[key]
    n = split(key, two, "/")
    if (n == 2)
        return human(get(two[1]) / get(two[2]))
    if (sub(/^\+/, "", key))
        return get(key)
    return human(get(key))
}


BEGIN { FS = "\t" }

/^# / {
    key = substr($0, 3, index($0, ": ") - 3)
    if (!(key in head)) {
        heads[++n_heads] = key
        head[key] = substr($0, index($0, ": ") + 2)
    }
    next
}

$1 == "sweep" {
    for (f = 1; f <= NF; f++)
        column[f] = $f
    next
}

{
    key = $1 ":" $2 ":" $3 ":" $4
    for (f = 5; f <= NF; f++)
        cell[key ":" column[f]] = $f
    if ($1 == "idle" && !seen[$1, $2]++)
        stages[++n_stages] = $2
    if ($1 == "idle" && !point_seen[$4]++)
        idle_points = idle_points " " $4
    if ($1 == "active" && !active_seen[$3]++)
        active_points = active_points " " $3
    if ($1 == "peers" && !seen[$1, $2]++)
        peers[++n_peers] = $2
    if ($1 == "size" && !seen[$1, $2]++)
        sized[++n_sized] = $2
    if ($1 == "size" && !size_seen[$4]++)
        sizes[++n_sizes] = $4
    if ($1 == "peersize" && !seen[$1, $2]++)
        peer_sized[++n_peer_sized] = $2
    if ($1 == "look" && !seen[$1, $2]++)
        looked[++n_looked] = $2
    if ($1 == "workers" && !seen[$1, $2]++)
        workers[++n_workers] = $2
    if ($1 == "timeline" && !seen[$1, $2]++)
        timed[++n_timed] = $2
    if ($1 == "guard")
        guards[++n_guards] = $2 ":" $3 ":" $4
}

END {
    if (mode == "figure") {
        print figure(what)
        exit status
    }
    if (what == "machine")
        table_machine()
    if (what == "idle" || what == "bench") {
        caption("CPU of the server for a message of 64 bytes, in µs: one " \
                "connection talks,\nthe others are idle")
        table_sweep("idle", "idle", idle_points)
    }
    if (what == "active" || what == "bench") {
        caption("The same with no idle ones: so many talk")
        table_sweep("active", "active", "1" active_points)
    }
    if (what == "stages" || what == "bench") {
        caption("Memory beside 900 idle ones; CPU and number of connections " \
                "made; latency in µs")
        table_stages()
    }
    if (what == "peers") {
        caption("CPU of the server for a message of 64 bytes, and its ratio " \
                "to the bare loop")
        table_peers()
    }
    if (what == "look")
        table_looked()
    if (what == "sizes") {
        caption("CPU of the server for a message, in µs, by its size in " \
                "bytes")
        table_sizes("cpu_us")
    }
    if (what == "size-rates") {
        caption("Messages a second on one connection, by their size in bytes")
        table_sizes("rate")
    }
    if (what == "peer-sizes") {
        caption("CPU of the server for a message, in µs, by its size in " \
                "bytes")
        table_peer_sizes("cpu_us")
    }
    if (what == "peer-rates") {
        caption("Messages a second on one connection, by their size in bytes")
        table_peer_sizes("rate")
    }
    if (what == "workers")
        table_workers()
    if (what == "guard")
        table_guard()
    if (what == "timeline")
        table_timeline()
    exit status
}
