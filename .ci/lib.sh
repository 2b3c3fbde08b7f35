# What .ci/run is made of: it sources this file, with $root set and tests/setup.sh read.

# Of everything; a job of .ci/run has it from there.
results=${CI_RESULTS:-}
if [ -z "$results" ]; then
    results=$(mktemp -d)
    trap 'rm -rf "$results"' EXIT
fi
summary=$results/${CI_JOB:-0}.summary

# note LINE: said now, and again at the end.
note() {
    printf '%s\n' "$*" | tee -a "$summary"
}

# count NAME PASSED FAILED SECONDS
count() {
    note "$1: $2 passed, $3 failed, $4 s"
}

# total SUMMARY...: of all that counted. Fails if one failed.
total() {
    awk 'match($0, /: [0-9]+ passed, [0-9]+ failed/) {
            split(substr($0, RSTART + 2), n, " ")
            passed += n[1]; failed += n[3]
        }
        END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$@"
}

# run_jobs JOB...: as many at once as there are processors, in this order. One that breaks off, or is
# never begun, has failed.
run_jobs() {
    CI_RESULTS=$results
    MESON_TESTTHREADS=1
    export CI_RESULTS MESON_TESTTHREADS
    printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh -c '
        echo "==> Job: $1"
        CI_JOB=$1 sh .ci/run >"$CI_RESULTS/$1.log" 2>&1 ||
            echo "$1 broke off: 0 passed, 1 failed" | tee -a "$CI_RESULTS/$1.summary"
        flock "$CI_RESULTS/shown" cat "$CI_RESULTS/$1.log"' job || true
    for job; do
        [ -s "$results/$job.summary" ] ||
            echo "$job did not end: 0 passed, 1 failed" | tee -a "$results/$job.summary"
    done
}

# did_not_run NAME WHY: not a failure of ours, and not to be overlooked.
did_not_run() {
    note "DID NOT RUN: $1 ($2)"
}

# check NAME COMMAND...: one test; 77 is the status of one that cannot be done here.
check() {
    name=$1
    shift
    say "Check: $name"
    begun=$(date +%s)
    status=0
    "$@" || status=$?
    seconds=$(($(date +%s) - begun))
    case $status in
    0) count "$name" 1 0 $seconds ;;
    77) did_not_run "$name" "it says why" ;;
    *) count "$name" 0 1 $seconds ;;
    esac
}

newest() { ls -t "$@" | head -n 1; }

# What the tests themselves say of levels and of how much they did.
evidence() {
    grep -h '^level \|^levels:\|^[0-9]* threads' "$(newest "$2"/meson-logs/testlog*.txt)" | sed "s/^/$1: /" || true
}

# counted NAME BUILD COMMAND...: a command that builds there, tests, and says how many tests passed.
counted() {
    name=$1
    directory=$2
    shift 2
    say "Configuration: $name"
    begun=$(date +%s)
    output=$(mktemp)
    status=0
    "$@" >"$output" 2>&1 || status=$?
    cat "$output"
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$output" | tail -n 1)
    skipped=$(sed -n 's/.* failed, \([0-9]* skipped\)$/\1/p' "$output" | tail -n 1)
    rm -f "$output"
    evidence "$name" "$directory"
    set -- ${counts:-0 1}
    # Whatever was counted before it broke off.
    [ "$status" -eq 0 ] || [ "$2" -gt 0 ] || set -- "$1" 1
    [ "$1" -gt 0 ] || [ "$2" -gt 0 ] || set -- 0 1
    count "$name" "$1" "$2" $(($(date +%s) - begun))
    [ -z "$skipped" ] || note "$name: $skipped"
}

# run_in NAME BUILD COMPILER TESTS MESON-OPTION...: a build of everything, and the tests with these
# names, or all of them.
run_in() {
    name=$1
    directory=$2
    compiler=$3
    tests=$4
    shift 4
    counted "$name" "$directory" \
        env CC="$compiler" BUILD_DIR="$directory" TESTS="$tests" sh tests/run.sh "$@"
}

# configuration NAME COMPILER TESTS MESON-OPTION...: warnings are errors.
configuration() {
    build=$1
    shift
    run_in "$build" "$root/build-ci/$build" "$@" -Dwerror=true
}

# at_level LEVEL NAME BUILD COMPILER TESTS: tests of an earlier configuration again, on one level.
at_level() {
    LIBQUANT_CPU=$1
    export LIBQUANT_CPU
    run_in "$2 at level $1" "$3" "$4" "$5"
    unset LIBQUANT_CPU
}

# on_processor PROCESSOR NAME BUILD COMPILER TESTS: the same on another processor of this kind.
on_processor() {
    WRAPPER="qemu-x86_64-static -cpu $1"
    export WRAPPER
    run_in "$2 on $1" "$3" "$4" "$5"
    unset WRAPPER
}

installed() {
    for package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            return 1
    done
}

# Packages of other architectures need that to be known; nothing may be removed for them.
install_packages() {
    for package; do
        case $package in
        *:*) dpkg --add-architecture "${package#*:}" || return 1 ;;
        esac
    done
    apt-get update || say "apt-get update failed; going on with the lists that are here"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --no-remove "$@"
}

# have NAME PACKAGE...: whether what a configuration needs beyond a compiler is there by now. A
# mirror that is broken for a day is no failure of the library.
have() {
    name=$1
    shift
    installed "$@" && return
    if [ "$(id -u)" -eq 0 ]; then
        say "Installing $*"
        # One job at a time.
        (flock 9 && quietly install_packages "$@") 9>"$results/installing" && return
    fi
    did_not_run "$name" "packages could not be installed"
    return 1
}

# The names of the tests of a build, for comparing.
test_names() {
    meson introspect --tests "$1" | tr ',' '\n' |
        sed -n 's/.*"name": "\([^"]*\)".*/\1/p' | sort
}

# same_tests BUILD BUILD NAMES: neither has a test that the other lacks, but for these (a pattern).
same_tests() {
    test_names "$1" | grep -vx "$3" >"$1/tests.txt"
    test_names "$2" | diff "$1/tests.txt" - && [ -s "$1/tests.txt" ]
}
