# lib.bash -- what the benchmark's scripts share
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the scripts that load this

bench_dir=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
root_dir=$(cd "$bench_dir/../.." && pwd)
stages_dir=${STAGES_DIR:-$root_dir}
results=${RESULTS:-$root_dir/.build/bench}
load=$root_dir/tests/tools/load
host=127.0.0.1 # not localhost: which address that is differs by machine
scratch=$(mktemp -d)
server_pid=
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

# One line that the next one overwrites; on a terminal only.
progress()
{
    if [ -t 2 ]; then
        printf '\r\033[K%s' "$*" >&2
    fi
}

# Builds the load generator and the stages, and names those that are there.
build()
{
    local stage

    [ "$(uname)" = Linux ] || die "the load generator needs Linux (epoll)"
    make -s -C "$root_dir/tests/tools" load || exit 1
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

# Starts a server that says where it listens; sets server_pid, server_port.
start_server()
{
    local line=

    exec {server_out}< <(exec "${server_on[@]}" "$@" 2>"$scratch/stderr")
    server_pid=$!
    while [[ $line != *[0-9] || $line != *listening* ]]; do
        read -t 20 -r line <&"$server_out" || return 1
    done
    server_port=${line##*[!0-9]}
}

stop_server()
{
    [ -n "$server_pid" ] || return 0
    kill "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    exec {server_out}<&-
    server_pid=
}

# For a server under strace, which ends after it and then writes its counts.
stop_traced()
{
    kill "$(cat "/proc/$server_pid/task/$server_pid/children")"
    wait "$server_pid" 2>/dev/null
    exec {server_out}<&-
    server_pid=
}

# Runs the load on the server; prints its line of key=value.
run_load()
{
    "${load_on[@]}" "$load" -m -p "$server_pid" "$@" "$host" "$server_port" \
        2>"$scratch/load.err"
}

# What the figures were measured on, a `# key: value` line each.
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

# Median, lowest and highest of the numbers on stdin, tab-separated.
spread()
{
    sort -g | awk '{ v[NR] = $1 }
        END { printf "%s\t%s\t%s\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
