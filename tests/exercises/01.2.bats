# 01.2 -- a write to a client that has left fails without a signal

load exercise

@test "01.2: SIGPIPE is left as it was: not ignored, caught or blocked" {
    need_proc
    server_start
    assert_untouched
    # And while it writes to a client that doesn't read.
    peer_start stalled send:512M wait reset
    wait_until "$PATIENCE" is_in_write
    assert_untouched
}

# is_in_write: true if the server sleeps although there is something to read.
is_in_write()
{
    is_at_rest && [ "$(unread_bytes)" -gt 0 ]
}

assert_untouched()
{
    local kind

    for kind in SigIgn SigCgt SigBlk; do
        ! has_signal "$(signals_of "$SERVER_PID" "$kind")" 13 ||
            fail_because sigpipe "SIGPIPE at its default" \
                "/proc/$SERVER_PID/status has it in $kind" \
                "the process still changes what SIGPIPE does: use only send's \
flag"
    done
}
