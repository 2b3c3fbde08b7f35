#!/bin/sh
# Builds libquant with its examples and shows what they do:
#
#     sh examples/quickstart.sh
#
# BUILD_DIR=DIR builds there instead of in build/.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${BUILD_DIR:-$root/build}
. "$root/tests/setup.sh"

# Shows a command, then runs it.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

require_packages gcc libc6-dev meson ninja-build pkg-config libcjson-dev

say "Building in $build"
quietly configure -Dexamples=enabled
quietly meson compile -C "$build" digits lquant
mkdir -p "$build/quickstart"
cd "$build"

say "Training a network and quantizing it in memory"
run examples/digits/digits --out quickstart/digits.safetensors

say "Quantizing the file of its weights: int4, in blocks of 32 with float16 scales"
run examples/lquant/lquant quantize quickstart/digits.safetensors \
    quickstart/digits-int4.safetensors --type s4 --per-block=32 --scale f16

say "Turning the codes back into float32, and comparing with the original"
run examples/lquant/lquant dequantize quickstart/digits-int4.safetensors \
    quickstart/digits-restored.safetensors
run examples/lquant/lquant compare quickstart/digits.safetensors \
    quickstart/digits-restored.safetensors

say "Done. The commands above work in $build"
