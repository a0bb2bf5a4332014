# 03.3 -- accepts until EAGAIN, at most 16 in an iteration

load exercise

@test "03.3: of 40 connections that wait, an iteration accepts 16" {
    assert_accepts_16
}

@test "03.3: accept isn't called again once it has said EAGAIN" {
    assert_accepts_until_eagain
}
