# server.bash -- starts a server, finds its port, and ends it
# shellcheck shell=bash
#
# The script that loads this has a folder of its own, $scratch, and kills a
# server that still runs when it exits.

server_pid=
server_on=() # a command that runs the server, such as taskset

# start_server COMMAND…: starts a server that says where it listens. Sets
# server_pid and server_port. Its stderr goes to $scratch/stderr.
start_server()
{
    local line=

    exec {server_out}< <(exec ${server_on[@]+"${server_on[@]}"} "$@" 2>"$scratch/stderr")
    server_pid=$!
    while [[ $line != *listening*[0-9] ]]; do
        read -t 20 -r line <&"$server_out" || return 1
    done
    # shellcheck disable=SC2034 # for the script that loads this
    server_port=${line##*[!0-9]}
}

# stop_server [PID]: ends the server by a signal to PID (default: the server).
# Returns 1 if it had ended already.
stop_server()
{
    local status=0

    [ -n "$server_pid" ] || return 0
    kill "${1:-$server_pid}" 2>/dev/null || status=1
    wait "$server_pid" 2>/dev/null
    exec {server_out}<&-
    server_pid=
    return "$status"
}
