# tables.awk -- makes a table or a figure from results files
#
# variables: mode (figure, md, txt) and what (a key, a table's name)

# Formats a number with its significant digits, and commas.
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

# Formats a median, with half of the spread in percent.
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

# Does the same for several columns.
function values(key, names,    n, i, name, line)
{
    n = split(names, name, " ")
    for (i = 1; i <= n; i++)
        line = line (i > 1 ? "\t" : "") value(key, name[i])
    return line
}

# Adds an item to a list, if it isn't there yet.
function note(name, item)
{
    if (seen[name, item]++)
        return 0
    list[name, ++n_of[name]] = item
    return 1
}

function row(text)
{
    lines[++n_lines] = text
}

# Counts characters, not bytes, in any locale.
function width(s)
{
    gsub(/±|×|–|µ/, "x", s)
    return length(s)
}

# Makes a row for each server, with what it promises (tests/conformance/run).
function table_conformance(    i, p, name, n)
{
    row("server\tversion\tpassed\tfailed\tnot reached")
    for (i = 1; i <= n_of["conformance"]; i++) {
        name = list["conformance", i]
        delete n
        # A test that was skipped everywhere is for our stages only.
        for (p = 1; p <= n_of["promises"]; p++)
            if (asked[list["promises", p]])
                n[result[name, list["promises", p]]]++
        row(name "\t" head[name] "\t" n["ok"] + 0 "\t" n["failed"] + 0 "\t" \
            n["skipped"] + 0)
    }
}

function table_graded_on(    n, i, key)
{
    row("what\tgraded on")
    n = split("date cpu kernel limits", key, " ")
    for (i = 1; i <= n; i++)
        row(key[i] "\t" head[key[i]])
}

# True for a server with a column in the table of promises: it fails some. One
# that fails more than it keeps would need half of the rows for itself.
function is_shown(name)
{
    return fails[name] > 0 && fails[name] <= keeps[name]
}

# Makes a row for each promise that such a server fails.
function table_promises(    i, p, name, promise, line, is_bad)
{
    line = "promise"
    for (i = 1; i <= n_of["conformance"]; i++)
        if (is_shown(list["conformance", i]))
            line = line "\t" list["conformance", i]
    row(line)
    for (p = 1; p <= n_of["promises"]; p++) {
        promise = line = list["promises", p]
        is_bad = 0
        for (i = 1; i <= n_of["conformance"]; i++) {
            name = list["conformance", i]
            if (!is_shown(name))
                continue
            is_bad = is_bad || result[name, promise] == "failed"
            line = line "\t" (result[name, promise] == "failed" ? "fails" : \
                               result[name, promise] == "ok" ? "" : "–")
        }
        if (is_bad)
            row(line)
    }
}

function pad(s, n, left,    p)
{
    p = n > width(s) ? sprintf("%" n - width(s) "s", "") : ""
    return left ? s p : p s
}

# Prints the rows that were gathered; the first is the head.
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

# Formats a count, with commas and without decimals.
function whole(n)
{
    n = human(n)
    sub(/\.0+$/, "", n)
    return n
}

# Returns the key of a stage's result in a sweep at a point. The sweep active
# begins with the idle one's 1 and 0.
function key_of(sweep, stage, point)
{
    if (sweep == "active" && point == 1)
        return "idle:" stage ":1:0"
    return sweep ":" stage ":" (sweep == "active" ? point ":0" : "1:" point)
}

# Makes a row for each point of a sweep, and a column for each measurement.
function table_grid(sweep, corner, points, name,    i, p, n, line, stage, point)
{
    line = corner
    for (i = 1; i <= n_of[sweep]; i++) {
        stage = list[sweep, i]
        if (mode == "txt")
            sub(/^[0-9]*-/, "", stage)
        line = line "\t" stage
    }
    row(line)
    n = split(points, point, " ")
    for (p = 1; p <= n; p++) {
        line = whole(point[p])
        for (i = 1; i <= n_of[sweep]; i++)
            line = line "\t" with_spread( \
                key_of(sweep, list[sweep, i], point[p]), name)
        row(line)
    }
}

function table_stages(    i, s, narrow)
{
    narrow = mode == "txt" # a terminal has 80 columns
    row("stage\tcalls for a message\tKiB/conn.\tµs/conn.\tconn./s\tp50\tp99" \
        (narrow ? "" : "\tp99.9"))
    for (i = 1; i <= n_of["idle"]; i++) {
        s = list["idle", i]
        row(s "\t" calls("look:" s ":1:0") "\t" \
            value("idle:" s ":1:900", "kib_per_conn") "\t" \
            values("connect:" s ":4:0", "cpu_us rate") "\t" \
            values("idle:" s ":1:0", "p50_us p99_us" (narrow ? "" : " p999_us")))
    }
}

function table_peers(    i, one, many, bare, narrow)
{
    narrow = mode == "txt"
    bare = "peers:bare-epoll:"
    row("server\t1 conn.: µs\tratio\t50 conn.: µs\tratio" \
        (narrow ? "" : "\tmessages/s") "\tp50 µs\tp99 µs")
    for (i = 1; i <= n_of["peers"]; i++) {
        one = "peers:" list["peers", i] ":1:0"
        many = "peers:" list["peers", i] ":50:0"
        row(list["peers", i] "\t" with_spread(one, "cpu_us") "\t" \
            human(cell[one ":cpu_us"] / cell[bare "1:0:cpu_us"]) "\t" \
            with_spread(many, "cpu_us") "\t" \
            human(cell[many ":cpu_us"] / cell[bare "50:0:cpu_us"]) "\t" \
            values(many, (narrow ? "" : "rate ") "p50_us p99_us"))
    }
}

# Makes a row for each server, and columns for some of the sizes; adds the ratio
# to the bare loop's CPU where there's room.
function table_peer_sizes(name,    i, p, n, line, point, key, floor)
{
    n = split("64 16384 16385 65536 262144 1048576", point, " ")
    line = "server"
    for (p = 1; p <= n; p++)
        line = line "\t" whole(point[p]) (p == 1 ? " B" : "")
    row(line)
    for (i = 1; i <= n_of["peersize"]; i++) {
        line = list["peersize", i]
        sub(/\+nodelay/, ", NODELAY", line)
        for (p = 1; p <= n; p++) {
            key = key_of("peersize", list["peersize", i], point[p])
            floor = cell[key_of("peersize", "bare-epoll", point[p]) ":" name]
            line = line "\t" value(key, name)
            if (name == "cpu_us" && mode == "md" && floor > 0)
                line = line " (" human(cell[key ":" name] / floor) "×)"
        }
        row(line)
    }
}

# Puts the calls of a message into words, from "read=1.00,write=1.00,poll=0.10".
# Calls that are made for less than a twentieth of the messages belong to start
# and end, except for the shared wait.
function calls(key,    n, i, part, pair, many, out)
{
    n = split(cell[key ":calls"], part, ",")
    for (i = 1; i <= n && part[i] != "-"; i++) {
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
    return out == "" ? "-" : out
}

# Makes tables of one row for each item of a list. A guard's key has all its
# parts.
function table_rows(name,    i, item, key, part)
{
    if (name == "look")
        row("server\tcalls/message, 1 conn.\t50 conn.\tinstructions, 1 conn.\t10 conn.")
    if (name == "workers")
        row("command\tactive\tmessages/s\tµs of CPU a message\tbottleneck")
    if (name == "guard")
        row("stage\tconnections\tcalls for a message\tinstructions\tlimit")
    if (name == "timeline")
        row("stage\tclient 1 waits, ms\tclient 2\tclient 3")
    if (name == "machine")
        row("what\tmeasured on")
    for (i = 1; i <= n_of[name]; i++) {
        item = list[name, i]
        key = name ":" item
        if (name == "look")
            row(item "\t" calls(key ":1:0") "\t" calls(key ":50:0") "\t" \
                value(key ":1:0", "instructions") "\t" \
                value(key ":10:0", "instructions"))
        if (name == "workers") {
            key = key ":50:0"
            sub(/w/, "w ", item)
            row("server " item "\t50\t" with_spread(key, "rate") "\t" \
                with_spread(key, "cpu_us") "\t" cell[key ":limit"])
        }
        if (name == "guard") {
            split(item, part, ":")
            row(part[1] "\t" part[2] "\t" calls(key) "\t" \
                value(key, "instructions") "\t" cell[key ":limit"])
        }
        if (name == "timeline")
            row(item "\t" value(key ":1:1", "wait_ms") "\t" \
                value(key ":2:1", "wait_ms") "\t" value(key ":3:1", "wait_ms"))
        if (name == "machine")
            row(item "\t" head[item])
    }
}

# Prints a table, on a terminal with its caption.
function table(name)
{
    if (mode == "txt" && name in captions)
        print "\n" captions[name]
    if (name == "idle")
        table_grid("idle", "idle", points["idle"], "cpu_us")
    else if (name == "active")
        table_grid("active", "active", "1" points["active"], "cpu_us")
    else if (name == "stages")
        table_stages()
    else if (name == "sizes")
        table_grid("size", "bytes", points["size"], "cpu_us")
    else if (name == "size-rates")
        table_grid("size", "bytes", points["size"], "rate")
    else if (name == "peers")
        table_peers()
    else if (name == "peer-sizes")
        table_peer_sizes("cpu_us")
    else if (name == "peer-rates")
        table_peer_sizes("rate")
    else if (name == "conformance")
        table_conformance()
    else if (name == "promises")
        table_promises()
    else if (name == "graded-on")
        table_graded_on()
    else
        table_rows(name)
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

BEGIN {
    FS = "\t"
    captions["idle"] = "CPU of the server for a message of 64 bytes, in µs: " \
        "one connection talks,\nthe others are idle"
    captions["active"] = "The same with no idle ones: so many talk"
    captions["stages"] = "Memory beside 900 idle ones; CPU and number of " \
        "connections made; latency in µs"
    captions["peers"] = "CPU of the server for a message of 64 bytes, and " \
        "its ratio to the bare loop"
    captions["sizes"] = captions["peer-sizes"] = \
        "CPU of the server for a message, in µs, by its size in bytes"
    captions["size-rates"] = captions["peer-rates"] = \
        "Messages a second on one connection, by their size in bytes"
}

/^# / {
    key = substr($0, 3, index($0, ": ") - 3)
    if (note("machine", key))
        head[key] = substr($0, index($0, ": ") + 2)
    next
}

$1 == "conformance" {
    note($1, $2)
    note("promises", $4)
    result[$2, $4] = $3
    fails[$2] += $3 == "failed"
    keeps[$2] += $3 == "ok"
    asked[$4] += $3 != "skipped"
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
    note($1, $1 == "guard" ? $2 ":" $3 ":" $4 : $2)
    point = $1 == "active" ? $3 : $4
    if (!point_seen[$1, point]++)
        points[$1] = points[$1] " " point
}

END {
    if (mode == "figure")
        print figure(what)
    else if (what == "bench") {
        table("idle")
        table("active")
        table("stages")
    } else
        table(what)
    exit status
}
