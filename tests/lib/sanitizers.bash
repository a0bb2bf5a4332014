# sanitizers -- settings for the suite on a stage built with ASan and UBSan
# shellcheck shell=bash disable=SC2034 # for whoever reads this file
#
#     make CFLAGS="$SANITIZE"
SANITIZE='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined'
SANITIZE+=' -fno-sanitize-recover=all'
# Exit with 77, which no test takes for a program's own exit status.
export ASAN_OPTIONS=${ASAN_OPTIONS-verify_asan_link_order=0:quarantine_size_mb=8:exitcode=77}
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1:exitcode=77}
# Sanitized programs are slower, so repeat less often.
export SEEDS=${SEEDS:-200} CYCLES=${CYCLES:-10000}

# has_sanitizers: true if the compiler has them.
has_sanitizers()
{
    local probe status

    probe=$(mktemp) || return 1
    # shellcheck disable=SC2086 # several flags
    echo 'int main(void) { return 0; }' |
        ${CC:-cc} $SANITIZE -x c -o "$probe" - 2>/dev/null && "$probe"
    status=$?
    rm -f "$probe"
    return "$status"
}
