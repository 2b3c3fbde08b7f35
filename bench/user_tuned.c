/*
 * The loops that users write, for each level: bench/meson.build compiles them again under these names,
 * where the compiler knows such a machine.
 */
#include "peers/peer.h"
#include "user_blocks.h"

extern const peer peer_tuned_scalar;
extern const user_format user_blocks_scalar[];
#ifdef HAVE_TUNED_AVX2
extern const peer peer_tuned_avx2;
extern const user_format user_blocks_avx2[];
#endif
#ifdef HAVE_TUNED_AVX512
extern const peer peer_tuned_avx512;
extern const user_format user_blocks_avx512[];
#endif

/* What every machine of its kind has is the baseline, so NEON is as the scalar level. */
static const struct {
    const peer *peer;
    const user_format *blocks;
} tuned[] = {
    [LQ_CPU_SCALAR] = {&peer_tuned_scalar, user_blocks_scalar},
#ifdef HAVE_TUNED_AVX2
    [LQ_CPU_AVX2] = {&peer_tuned_avx2, user_blocks_avx2},
#endif
#ifdef HAVE_TUNED_AVX512
    [LQ_CPU_AVX512] = {&peer_tuned_avx512, user_blocks_avx512},
#endif
};

static lq_cpu compiled(lq_cpu level) {
    const size_t levels = sizeof tuned / sizeof *tuned;
    return (size_t)level < levels && tuned[level].peer ? level : LQ_CPU_SCALAR;
}

const peer *user_tuned_peer(lq_cpu level) {
    return tuned[compiled(level)].peer;
}

const user_format *user_tuned_blocks(lq_cpu level) {
    return tuned[compiled(level)].blocks;
}
