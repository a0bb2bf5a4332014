# lib.bash -- what the benchmark's scripts share
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the scripts that load this

bench_dir=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
root_dir=$(cd "$bench_dir/../.." && pwd)
stages_dir=${STAGES_DIR:-$root_dir}
results=${RESULTS:-$root_dir/.build/bench}
tools_dir=$root_dir/tests/tools
load=$tools_dir/load
host=127.0.0.1 # not localhost: which address that is differs by machine
scratch=$(mktemp -d)
raw=$scratch/raw
# Bytes of a message. 01 to 05 and Go's example read up to 16 KiB at a time, 06
# and most peers 64 KiB: one byte more makes a second piece.
sizes="1 64 1024 16384 16385 65536 65537 262144 1048576"
cpu_note="not pinned"
export LC_ALL=C # a point in every figure, whatever the user's locale
# shellcheck source-path=SCRIPTDIR source=server.bash
. "$bench_dir/server.bash"
trap 'stop_server; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

die()
{
    echo "${0##*/}: $*" >&2
    exit 1
}

have()
{
    command -v "$1" >/dev/null
}

# Prints a line that the next one overwrites, on a terminal only.
progress()
{
    if [ -t 2 ]; then
        printf '\r\033[K%s' "$*" >&2
    fi
}

# Builds the load generator and the stages. Sets stages to those that exist.
build()
{
    local stage

    [ "$(uname)" = Linux ] || die "the load generator needs Linux (epoll)"
    make -s -C "$tools_dir" load || exit 1
    stages=()
    for stage in "$stages_dir"/0[1-6]-*/; do
        [ -f "$stage/server.c" ] || continue
        make -s -C "$stage" server || exit 1
        stage=${stage%/}
        stages+=("${stage##*/}")
    done
    ulimit -n "$(ulimit -Hn)"
    mkdir -p "$results" || exit 1
}

# Chooses a CPU for the server and another, of another core, for the load.
choose_cpus()
{
    local cpus

    server_on=()
    load_on=()
    cpu_note="not pinned (no taskset)"
    have taskset || return 0
    cpus=$(lscpu -p=CPU,CORE 2>/dev/null | awk -F, '
        !/^#/ && !seen[$2]++ { list = list " " $1 } END { print list }')
    read -r load_cpu server_cpu _ <<<"$cpus 0 0"
    server_on=(taskset -c "$server_cpu")
    load_on=(taskset -c "$load_cpu")
    cpu_note="server on CPU $server_cpu, load on CPU $load_cpu"
    [ "$server_cpu" != "$load_cpu" ] || cpu_note+=" (there is only one)"
}

# Runs the load on the server; prints its line of key=value.
run_load()
{
    "${load_on[@]}" "$load" -m -p "$server_pid" "$@" "$host" "$server_port" \
        2>"$scratch/load.err"
}

# measure POINT OPTIONS COMMAND…: one measurement, with the load's OPTIONS, of
# the server that COMMAND starts, to $raw: POINT is SWEEP NAME ACTIVE IDLE.
measure()
{
    local point=$1 options=$2 line
    shift 2

    progress "round $round of $rounds: $point"
    for _ in 1 2 3; do
        start_server "$@" ||
            die "$point: it did not start: $(cat "$scratch/stderr")"
        # shellcheck disable=SC2086 # several options
        if line=$(run_load -t "$each" $options); then
            stop_server
            echo "$point status=ok $line" >>"$raw"
            return 0
        fi
        stop_server
        # The bare loop and libev drop bytes when the send buffer is full.
        progress ""
        echo "$point: $(cat "$scratch/load.err")" >&2
    done
    die "$point fails"
}

# measure_size SWEEP NAME BYTES COMMAND…: measures messages of BYTES, on one
# connection. In such a sweep BYTES takes the place of IDLE.
measure_size()
{
    raw=$raw.sizes measure "$1 $2 1 $3" "-s $3" "${@:4}"
}

# repeat COMMAND…: runs it for each of $rounds rounds, but starts no round for
# which $budget seconds don't suffice.
repeat()
{
    local began=$SECONDS round_began

    for ((round = 1; round <= rounds; round++)); do
        round_began=$SECONDS
        "$@"
        if ((2 * SECONDS - round_began - began > budget && round < rounds)); then
            progress
            echo "the time is up after round $round of $rounds" >&2
            break
        fi
    done
    progress
}

# The results file of a sweep over sizes, which $1 names. Other parts may have
# been measured on another machine: one line says when and where this one was.
size_results()
{
    local machine

    machine=$(describe_machine)
    echo "$machine"
    echo "# $1: $(sed -n 's/^# \(date\|cpu\|kernel\): //p' <<<"$machine" |
        paste -sd ';' | sed 's/;/; /g'); $each s a measurement, median of the" \
        "rounds"
    summarise "$raw.sizes" bytes "cpu_us rate"
}

# Prints what the figures were measured on, as lines of `# key: value`.
describe_machine()
{
    local model virtual

    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    virtual=$(lscpu 2>/dev/null | sed -n 's/^Hypervisor vendor: *//p')
    cat <<END
# date: $(date -u +%Y-%m-%d)
# cpu: ${model:-$(uname -m)}, $(nproc) online${virtual:+, a virtual machine ($virtual)}
# kernel: $(uname -sr)
# memory: $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
# limits: $(ulimit -n) descriptors, $(ulimit -u) processes, somaxconn $(cat /proc/sys/net/core/somaxconn)
# compiler: $(${CC:-cc} --version | head -n 1), ${CFLAGS:--O2 -g}
# pinning: $cpu_note
END
}

# twice ACTIVE N COMMAND…: runs the server with N messages on each of ACTIVE
# connections, and then with 2 × N. A word of COMMAND that ends in log.@ becomes
# log.1 and log.2.
twice()
{
    local active=$1 n=$2 times failed pid
    shift 2

    for times in 1 2; do
        start_server "${@/%log.@/log.$times}" || return 1
        # It takes a few seconds, or hours if a server stalls on each message.
        timeout 60 "$load" -m -a "$active" -n $((n * times)) \
            "$host" "$server_port" >"$scratch/load.out" 2>&1
        failed=$?
        # strace ends after the server, and then writes its counts.
        pid=$server_pid
        [ "$1" != strace ] || pid=$(cat "/proc/$pid/task/$pid/children")
        stop_server "$pid"
        [ "$failed" = 0 ] || return 1
    done
}

# count_calls ACTIVE N COMMAND…: prints the system calls per message, by name,
# as strace counts them: the difference between N and 2 × N messages, so that
# start and end cancel out. Less than a hundredth is noise, except for waits,
# which many messages share.
count_calls()
{
    twice "$1" "$2" strace -c -f -o "$scratch/log.@" "${@:3}" || return 1
    awk -v n=$(($2 * $1)) '
        $1 !~ /^[0-9.]+$/ || $NF == "total" { next }
        NR == FNR { first[$NF] = $4; next }
        {
            share = ($4 - first[$NF]) / n
            if (share > .009 || (share > 0 && $NF ~ /wait|poll|select|enter/))
                printf "%s=%.3f\n", $NF, share
        }' "$scratch"/log.[12] | sort | paste -sd ,
}

# Prints the number of user-space instructions per message, as callgrind counts
# them.
count_instructions()
{
    twice "$1" "$2" valgrind --tool=callgrind \
        --callgrind-out-file="$scratch/log.@" "${@:3}" || return 1
    awk -v n=$(($2 * $1)) '/^totals: / { sum = $2 - sum }
        END { printf "%.1f", sum / n }' "$scratch"/log.[12]
}

# Raw measurements in $1, SWEEP NAME ACTIVE IDLE KEY=VALUE …, to one row for
# each point: median, lowest and highest of all rounds. $2 is what the fourth
# field is, $3 what is measured; without them idle connections, and everything.
summarise()
{
    awk -v OFS='\t' -v fourth="${2:-idle}" -v only="${3:-}" '
    function stats(key, name,    n, i, j, t, v) {
        n = count[key]
        for (i = 1; i <= n; i++) {
            v[i] = value[key, i, name] + 0
            for (j = i; j > 1 && v[j - 1] > v[j]; j--) {
                t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
            }
        }
        return v[int((n + 1) / 2)] OFS v[1] OFS v[n]
    }
    function one(key, name)
    {
        return (key, 1, name) in value ? value[key, 1, name] : "-"
    }
    BEGIN {
        n_names = split(only ? only : "cpu_us rate p50_us p99_us p999_us", \
                        names, " ")
        printf "sweep\tstage\tactive\t%s\trounds\tstatus", fourth
        for (i = 1; i <= n_names; i++)
            printf "\t%s\t%s_min\t%s_max", names[i], names[i], names[i]
        print only ? "\tlimit" : "\tmax_us\tkib_per_conn\tprocesses" \
            "\tlimit\tcalls\tinstructions"
    }
    {
        key = $1 OFS $2 OFS $3 OFS $4
        if (!(key in count))
            order[++n_keys] = key
        i = ++count[key]
        for (f = 5; f <= NF; f++) {
            eq = index($f, "=")
            value[key, i, substr($f, 1, eq - 1)] = substr($f, eq + 1)
        }
        kib = value[key, i, "pss_kib"] - value[key, i, "base_kib"]
        value[key, i, "kib"] = sprintf("%.2f", kib / ($3 + $4))
    }
    END {
        for (k = 1; k <= n_keys; k++) {
            key = order[k]
            n = count[key]
            status = value[key, 1, "status"]
            line = key OFS n OFS status
            for (i = 1; i <= n_names; i++)
                line = line OFS ((key, 1, names[i]) in value ? \
                                 stats(key, names[i]) : "-" OFS "-" OFS "-")
            if (only) {
                print line, one(key, "limit")
                continue
            }
            split(stats(key, "max_us"), max, OFS)
            split(stats(key, "kib"), kibs, OFS)
            timed = (key, 1, "cpu_us") in value
            print line, timed ? max[3] : "-", timed ? kibs[1] : "-",
                one(key, "processes"), one(key, "limit"), one(key, "calls"),
                one(key, "instructions")
        }
    }' "$1"
}
