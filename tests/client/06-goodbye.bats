# goodbye -- 06's client and servers that send too much, or never close
# bats file_tags=stage:06

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# server_of_node SCRIPT: the client's server is that script.
server_of_node()
{
    need node
    SERVER_CMD=(node -e "const net = require('net');
        const [host, port] = process.argv.slice(1);
        const server = net.createServer({ allowHalfOpen: true }, $1);
        server.listen(port, host, () => console.log('Server is listening on '
            + host + ':' + server.address().port));")
    server_start
}

# assert_client_exits STATUS WORDS: what the client said, and its exit status.
assert_client_exits()
{
    STDIN=$TESTS_DIR/run start client "${CLIENT_CMD[@]}" localhost "$PORT"
    wait_for_exit "$LAST_PID" 5 || fail_because 06 "the client ends" "it hangs" \
        "it waits for a FIN that never comes"
    [ "$STATUS" -eq "$1" ]
    grep "$2" "$BATS_TEST_TMPDIR/client.err"
}

@test "client: all came back, and the server never closes: ends all the same" {
    server_of_node '(s) => s.on("data", (data) => s.write(data))'
    assert_client_exits 0 'does.*close'
    cmp "$TESTS_DIR/run" "$BATS_TEST_TMPDIR/client.out"
}

@test "client: more comes back than was sent: says so at once, exit 1" {
    server_of_node '(s) => s.on("data", (data) => s.write(data + data))'
    assert_client_exits 1 'more came back than was sent'
}
