# 04.3 -- the arrays shrink when less than a quarter is used

load exercise

# hold_and_release N: N clients come, are served, and leave.
hold_and_release()
{
    peer_start crowd -n "$1" echo:10 wait fin end
    peer_wait crowd "$1 waiting*"
    peer_continue crowd
    assert_peer_succeeds crowd
}

# last_size: prints the bytes that the last realloc has asked for.
last_size()
{
    awk '$1 == "realloc" { n = $3 } END { print n + 0 }' "$NOTES"
}

@test "04.3: after a peak of 1,000 the arrays are short again" {
    local peak

    need_descriptors 1200
    start_noting
    hold_and_release 1000
    peak=$(awk '$1 == "realloc" && $3 > n { n = $3 } END { print n + 0 }' \
        "$NOTES")
    # One client comes and goes, in case it shrinks a step at a time.
    peer echo:10 fin end
    peer echo:10 fin end
    [ "$(last_size)" -lt $((peak / 8)) ] ||
        fail_because grow "less than an eighth of the $peak bytes at the peak" \
            "$(last_size)" "the array never shrinks"
    # The two arrays have about the same size.
    awk -v peak="$peak" '$1 == "realloc" && $3 == peak { n = 0 }
        $1 == "realloc" && $3 < peak / 8 { size[++n] = $3 }
        END {
            for (i = 1; i <= n; i++)
                for (k = 1; k <= n; k++)
                    if (i != k && size[i] <= size[k] && size[k] < 1.5 * size[i])
                        exit 0
            exit 1
        }' "$NOTES" || fail_because grow "both arrays shrink" "one does" \
        "conns and fds are as long as each other"
    assert_echoes echo:1000 fin end
}

@test "04.3: one that comes and goes at the border moves no memory" {
    local n most=0 i

    start_noting
    # With 64 the array is full, with 96 half of the next one is used.
    for n in 64 96; do
        peer_start "crowd$n" -n "$n" echo:10 wait fin end
        peer_wait "crowd$n" "$n waiting*"
        forget_notes
        for i in 1 2 3 4 5; do
            peer echo:10 fin end
        done
        [ "$(noted realloc)" -le "$most" ] || most=$(noted realloc)
        peer_continue "crowd$n"
        assert_peer_succeeds "crowd$n"
    done
    [ "$most" -le 2 ] ||
        fail_because grow "2 reallocs at most (two arrays grow once) while 5 \
clients come and go" "$most" "the sizes at which it grows and shrinks are too \
close"
}

@test "04.3: a realloc to a smaller size that fails is no loss" {
    start_noting CALLS_NO_SHRINK=1
    peer_start staying -n 5 -t 10 echo:10 wait echo:1000 fin end
    peer_wait staying '5 waiting*'
    hold_and_release 300
    peer_continue staying
    assert_served staying grow "5 clients who stay are served" \
        "realloc returned NULL, and the old array still exists: keep its \
pointer"
}
