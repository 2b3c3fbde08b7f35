/*
 * Which level of kernels runs. Everything about the processor is in this file: what it has, what
 * LIBQUANT_CPU says, and the one pointer to the table in use.
 */
#include "kernels.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LQ_ARCH_ANY 0
#define LQ_ARCH_X86 1
#define LQ_ARCH_ARM64 2

#if defined(__x86_64__)
#define LQ_ARCH LQ_ARCH_X86
#include <cpuid.h>
#elif defined(__aarch64__)
#define LQ_ARCH LQ_ARCH_ARM64
#else
#define LQ_ARCH LQ_ARCH_ANY
#endif

/* The build says which levels it has. */
#ifndef LQ_HAVE_AVX2
#define LQ_HAVE_AVX2 0
#endif
#ifndef LQ_HAVE_AVX512
#define LQ_HAVE_AVX512 0
#endif
#ifndef LQ_HAVE_NEON
#define LQ_HAVE_NEON 0
#endif

extern const lq_kernels lq_kernels_scalar;
#if LQ_HAVE_AVX2
extern const lq_kernels lq_kernels_avx2;
#else
#define lq_kernels_avx2 lq_kernels_scalar
#endif
#if LQ_HAVE_AVX512
extern const lq_kernels lq_kernels_avx512;
#else
#define lq_kernels_avx512 lq_kernels_scalar
#endif
#if LQ_HAVE_NEON
extern const lq_kernels lq_kernels_neon;
#else
#define lq_kernels_neon lq_kernels_scalar
#endif

typedef struct level {
    lq_cpu cpu;
    const char *name;
    bool built;
    int arch;
    const lq_kernels *kernels;
} level;

static const level levels[] = {
#define LQ_ISA(constant, name, built, arch)                                                        \
    {LQ_CPU_##constant, #name, built, arch, &lq_kernels_##name},
#include "isa.inc"
#undef LQ_ISA
};

enum { LEVELS = sizeof levels / sizeof *levels };

static const level *find_level(lq_cpu cpu) {
    for (int i = 0; i < LEVELS; ++i) {
        if (levels[i].cpu == cpu) return &levels[i];
    }
    return NULL;
}

#if LQ_ARCH == LQ_ARCH_X86
/* The operating system must save the wide registers too: XCR0 says which it does. */
static uint32_t enabled_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool machine_has(lq_cpu cpu) {
    enum { FMA = 1 << 12, OSXSAVE = 1 << 27, F16C = 1 << 29 };
    enum { AVX2 = 1 << 5, F = 1 << 16, DQ = 1 << 17, BW = 1 << 30 };
    const uint32_t leaf1 = FMA | OSXSAVE | F16C;
    const uint32_t avx512 = F | DQ | BW | 1u << 31; /* VL */
    const uint32_t ymm = 0x6, zmm = 0xe6;
    uint32_t a, b, c, d;
    if (cpu == LQ_CPU_SCALAR) return true;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1) != leaf1) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2)) return false;
    const uint32_t state = enabled_state();
    if (cpu == LQ_CPU_AVX2) return (state & ymm) == ymm;
    return cpu == LQ_CPU_AVX512 && (b & avx512) == avx512 && (state & zmm) == zmm;
}
#else
static bool machine_has(lq_cpu cpu) {
    /* Advanced SIMD is part of aarch64. */
    return cpu == LQ_CPU_SCALAR || (cpu == LQ_CPU_NEON && LQ_ARCH == LQ_ARCH_ARM64);
}
#endif

/* Asking the processor can take microseconds under a hypervisor, so it is asked once. */
static bool machine_runs(lq_cpu cpu) {
    enum { KNOWN = 1 << 30 };
    static _Atomic int known;
    int mask = atomic_load_explicit(&known, memory_order_relaxed);
    if (!mask) {
        for (int i = 0; i < LEVELS; ++i) mask |= machine_has(levels[i].cpu) << levels[i].cpu;
        mask |= KNOWN;
        atomic_store_explicit(&known, mask, memory_order_relaxed);
    }
    return mask >> cpu & 1;
}

const lq_kernels *lq_kernels_of(lq_cpu cpu) {
    const level *l = find_level(cpu);
    return l && l->built && machine_runs(cpu) ? l->kernels : NULL;
}

/* In place of a table where LIBQUANT_CPU is refused; NULL means not chosen yet. */
static const lq_kernels refused = {.error_sums = NULL};
static _Atomic(const lq_kernels *) active;

/* The last row, up to this one, that build and machine have. */
static const lq_kernels *best_up_to(int row) {
    for (int i = row; i > 0; --i) {
        const lq_kernels *kernels = lq_kernels_of(levels[i].cpu);
        if (kernels) return kernels;
    }
    return &lq_kernels_scalar;
}

static const lq_kernels *choose(void) {
    const char *name = getenv("LIBQUANT_CPU");
    if (!name || !*name) return best_up_to(LEVELS - 1);
    for (int i = 0; i < LEVELS; ++i) {
        if (strcmp(name, levels[i].name) != 0) continue;
        const bool ours = levels[i].arch == LQ_ARCH_ANY || levels[i].arch == LQ_ARCH;
        return ours ? best_up_to(i) : &refused;
    }
    return &refused;
}

/* Threads that come here first at once choose the same; lq_cpu_use() in between wins. */
static const lq_kernels *current(void) {
    const lq_kernels *kernels = atomic_load_explicit(&active, memory_order_relaxed);
    if (kernels) return kernels;
    const lq_kernels *chosen = choose();
    if (atomic_compare_exchange_strong(&active, &kernels, chosen)) return chosen;
    return kernels;
}

const lq_kernels *lq_kernels_active(void) {
    const lq_kernels *kernels = current();
    return kernels == &refused ? NULL : kernels;
}

const char *lq_cpu_name(lq_cpu cpu) {
    const level *l = find_level(cpu);
    return l ? l->name : NULL;
}

int32_t lq_cpu_available(lq_cpu cpu) {
    return lq_kernels_of(cpu) != NULL;
}

lq_cpu lq_cpu_level(void) {
    const lq_kernels *kernels = current();
    for (int i = 0; i < LEVELS; ++i) {
        if (levels[i].built && levels[i].kernels == kernels) return levels[i].cpu;
    }
    return LQ_CPU_SCALAR;
}

lq_status lq_cpu_use(lq_cpu cpu) {
    const lq_kernels *kernels = lq_kernels_of(cpu);
    if (!kernels) return LQ_ERROR_CPU;
    atomic_store(&active, kernels);
    return LQ_OK;
}
