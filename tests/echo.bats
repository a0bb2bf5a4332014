# echo -- everything that a connection sends comes back on it
# grades: server

load lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

@test "says where it listens, in one line, and nothing else" {
    server_start
    [ "$(cat "$SERVER_OUT")" = "Server is listening on localhost:$PORT" ] ||
        because 01 "Server is listening on localhost:$PORT" \
            "$(cat "$SERVER_OUT")" "the line has another form"
    [ ! -s "$SERVER_ERR" ]
}
