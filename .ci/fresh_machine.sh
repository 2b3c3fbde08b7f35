#!/bin/sh
# The two commands of the README on a bare Debian 12, in a root of its own: as an ordinary user they
# must say what to install, as root they must install it and pass.
#
#     .ci/fresh_machine.sh
#
# Needs root and debootstrap, 2 GB in /tmp, and some minutes. MIRROR=URL takes the packages from
# there; TESTS="NAME..." runs these tests alone. What it makes is gone when it ends.
set -eu

cd "$(dirname "$0")/.."
mirror=${MIRROR:-http://deb.debian.org/debian}
[ "$(id -u)" -eq 0 ] || { echo "fresh_machine.sh: only root can make a root" >&2; exit 1; }
command -v debootstrap >/dev/null || {
    echo "fresh_machine.sh: there is no debootstrap (Debian: apt-get install debootstrap)" >&2
    exit 1
}

machine=$(mktemp -d)
chmod 755 "$machine"
clean_up() {
    status=$?
    trap - EXIT
    # Never into what is mounted: then it stays, and rm is told so.
    if mountpoint -q "$machine/proc" && ! umount "$machine/proc"; then
        echo "$machine/proc is still mounted: $machine is left" >&2
        exit 1
    fi
    rm -rf --one-file-system "$machine"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# inside USER COMMAND...: in the clone, with nothing of this machine's environment but proxies.
inside() {
    user=$1
    shift
    chroot --userspec="$user" "$machine" /usr/bin/env -u PKG_CONFIG_PATH -u CC HOME=/tmp \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin TESTS="${TESTS:-}" \
        sh -c 'cd /libquant && "$@"' sh "$@"
}

debootstrap --variant=minbase bookworm "$machine" "$mirror"
mount -t proc proc "$machine/proc" || echo "no /proc in there; going on without"
git clone -q . "$machine/libquant"
echo "==> A bare Debian $(cat "$machine/etc/debian_version"): $(du -smx "$machine" | cut -f 1) MB"

for command in examples/quickstart.sh tests/run.sh; do
    echo "==> sh $command, as an ordinary user"
    if inside nobody:nogroup sh "$command" >"$machine/said" 2>&1; then
        echo "passed with nothing installed"
        exit 1
    fi
    cat "$machine/said"
    grep -q '^    apt-get update && apt-get install gcc libc6-dev meson ninja-build' "$machine/said"
done

for command in examples/quickstart.sh tests/run.sh; do
    echo "==> sh $command, as root"
    begun=$(date +%s)
    inside root:root sh "$command"
    echo "==> sh $command took $(($(date +%s) - begun)) s"
done
