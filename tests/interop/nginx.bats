#!/usr/bin/env bats
# nginx -- a real nginx in front of several of our servers
#
# The configuration is the one that chapter 08 shows, docs/examples/nginx.conf,
# with other ports. nginx runs in the foreground, as the user who runs the
# tests; its files are in the test's folder.
# bats file_tags=once

# shellcheck disable=SC2034,SC2153 # for and from the helpers in lib/stage
load ../lib/stage

setup()
{
    stage_setup
    need nginx
}

teardown()
{
    stage_teardown
}

# free_port: sets FREE to a port that nobody listens on, below those that the
# kernel gives to others in the meantime.
free_port()
{
    FREE=$((15000 + RANDOM % 15000))
    while (exec 9<>"/dev/tcp/127.0.0.1/$FREE") 2>/dev/null; do
        FREE=$((FREE + 1))
    done
}

# nginx_start PORT PORT PORT: starts nginx on FRONT before servers on these.
# Sets NGINX_PID.
nginx_start()
{
    local conf=$BATS_TEST_TMPDIR/nginx.conf
    local module=/usr/lib/nginx/modules/ngx_stream_module.so said

    free_port
    FRONT=$FREE
    sed "s/:8000/:$FRONT/; s/:8001/:$1/; s/:8002/:$2/; s/:8003/:$3/" \
        "$ROOT_DIR/docs/examples/nginx.conf" >"$conf"
    [ -e "$module" ] || sed -i.all '/load_module/d' "$conf"
    if ! said=$(nginx -t -q -p "$BATS_TEST_TMPDIR" -c "$conf" -e stderr 2>&1)
    then
        [[ $said != *'unknown directive "stream"'* ]] ||
            skip "this nginx has no stream module"
        fail_because nginx "nginx takes docs/examples/nginx.conf" "$said" \
            "a directive is wrong"
        return 1
    fi
    start nginx nginx -p "$BATS_TEST_TMPDIR" -c "$conf" -e stderr
    NGINX_PID=$LAST_PID
    if ! wait_until 10 can_connect "$FRONT"; then
        fail_because nginx "nginx listens on port $FRONT" \
            "$(cat "$BATS_TEST_TMPDIR/nginx.err")" \
            "a port that it needs is in use"
        return 1
    fi
    # It listens before it handles signals, and has workers after that.
    wait_until 10 has_workers 2
}

can_connect()
{
    (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Starts three servers of three stages. Sets PIDS and PORTS.
servers_start()
{
    local stage

    PIDS=() PORTS=()
    LISTEN_HOST=127.0.0.1
    for stage in 02-fork 05-epoll 06-eventloop; do
        SERVER_CMD=("$STAGES_DIR/$stage/server")
        server_start
        PIDS+=("$SERVER_PID")
        PORTS+=("$PORT")
    done
}

has_workers()
{
    [ "$(count_children "$NGINX_PID")" -eq "$1" ]
}

# assert_echoes_for_20: through nginx, 20 clients get back the 100 KB that each
# of them has sent, what they send last, and FIN.
assert_echoes_for_20()
{
    local output

    output=$("$TOOLS/peer" 127.0.0.1 "$FRONT" -n 20 -t 30 \
        echo:100K send:10K fin receive end 2>&1) && return
    fail_because nginx "all that 20 clients sent comes back through nginx" \
        "$output" "a server behind nginx, or its configuration"
    return 1
}

@test "nginx: what clients send comes back through it, and FIN with it" {
    servers_start
    nginx_start "${PORTS[@]}"
    assert_echoes_for_20
}

@test "nginx: every server behind it gets its share of the connections" {
    local i n before=()

    need_proc
    servers_start
    nginx_start "${PORTS[@]}"
    for i in 1 2; do
        before[i]=$(fds_of "${PIDS[i]}")
    done
    start peers "$TOOLS/peer" 127.0.0.1 "$FRONT" -n 30 echo:100 wait
    wait_until 10 grep -q '^30 waiting' "$BATS_TEST_TMPDIR/peers.out"
    for i in 1 2; do
        n=$(($(fds_of "${PIDS[i]}") - before[i]))
        if [ "$n" -lt 5 ] || [ "$n" -gt 15 ]; then
            fail_because nginx-share \
                "about 10 of 30 connections on each of three servers" \
                "$n on the one at port ${PORTS[i]}" \
                "least_conn isn't in effect"
            return 1
        fi
    done
}

@test "nginx: a server that has died is passed over" {
    servers_start
    nginx_start "${PORTS[@]}"
    kill -KILL "${PIDS[1]}"
    wait_for_exit "${PIDS[1]}"
    assert_echoes_for_20
}

@test "nginx: its master replaces a worker that was killed" {
    local worker

    servers_start
    nginx_start "${PORTS[@]}"
    worker=$(children_of "$NGINX_PID" | head -n 1)
    kill -KILL "$worker"
    wait_until 10 not alive "$worker"
    wait_until 10 has_workers 2
    assert_echoes_for_20
}

@test "nginx: QUIT ends it gracefully" {
    servers_start
    nginx_start "${PORTS[@]}"
    kill -QUIT "$NGINX_PID"
    wait_for_exit "$NGINX_PID"
    if [ "$STATUS" -ne 0 ]; then
        fail_because nginx-master \
            "exit status 0" "$STATUS" "a worker doesn't end"
    fi
}
