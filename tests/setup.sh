# What examples/quickstart.sh and tests/run.sh share: packages and the build directory.
# They source this file with $root set to the top of the source tree.

# Nothing here asks anything, whether or not there is someone to answer.
exec </dev/null

say() { printf '\n==> %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Runs a command and shows what it printed only if it fails.
quietly() {
    log=$(mktemp)
    status=0
    "$@" >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# Whether what we need a Debian package for is there, whoever installed it.
provided() {
    case $1 in
    gcc) command -v ${CC:-cc} ;;
    libc6-dev) ${CC:-cc} -E -include stdio.h -x c /dev/null ;;
    libclang-rt-*-dev) ls "$(clang -print-resource-dir)"/lib/linux/libclang_rt.asan* ;;
    libcjson-dev) pkg-config --exists libcjson ;;
    libcmocka-dev) pkg-config --exists cmocka ;;
    ninja-build) command -v ninja ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

missing_packages() {
    for package; do
        provided "$package" || printf ' %s' "$package"
    done
}

# require_packages PACKAGE...: as root installs what is missing, otherwise says what that is.
require_packages() {
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        fail "these Debian packages are missing:$missing
Install them as root:
    apt-get update && apt-get install$missing"
    fi
    command -v apt-get >/dev/null || fail "there is no apt-get here to install$missing"
    say "Installing$missing"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # One broken list of many is no reason to give up: what is needed may be in the others.
    quietly apt-get update || say "apt-get update failed; going on with the lists that are here"
    # Unquoted: one argument for each package.
    quietly apt-get install -y --no-install-recommends $missing ||
        fail "apt-get could not install$missing"
    missing=$(missing_packages "$@")
    [ -z "$missing" ] || fail "installed, but not found:$missing"
}

# configure OPTION...: sets the build directory $build up, or again if it is there already.
configure() {
    if [ -f "$build/build.ninja" ]; then
        set -- --reconfigure "$@"
    fi
    meson setup "$@" "$build" "$root" && return
    printf 'Cannot configure %s. If it comes from elsewhere, remove it.\n' "$build" >&2
    return 1
}
