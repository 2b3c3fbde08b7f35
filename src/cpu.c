/*
 * Which level of kernels runs. Everything about the processor is in this file: what it has, what
 * LIBQUANT_CPU says, the one pointer to the table in use, and how much the caches hold.
 */
#include "isa.h"
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

/* Before Zen 4, which has AVX-512, AMD's take a dozen cycles for one; so do Hygon's. */
static bool masks_stores(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d)) return false;
    const bool zen = memcmp(&b, "Auth", 4) == 0 || memcmp(&b, "Hygo", 4) == 0;
    return !zen || machine_has(LQ_CPU_AVX512);
}
#else
static bool masks_stores(void) {
    return false;
}

static bool machine_has(lq_cpu cpu) {
    /* Advanced SIMD is part of aarch64. */
    return cpu == LQ_CPU_SCALAR || (cpu == LQ_CPU_NEON && LQ_ARCH == LQ_ARCH_ARM64);
}
#endif

/*
 * A bit for each level that the machine has, and more. Asking the processor can take microseconds
 * under a hypervisor, so it is asked once.
 */
enum { KNOWN = 1 << 30, MASKED_STORES = 1 << 29 };

static int machine(void) {
    static _Atomic int known;
    int mask = atomic_load_explicit(&known, memory_order_relaxed);
    if (!mask) {
        for (int i = 0; i < LEVELS; ++i) mask |= machine_has(levels[i].cpu) << levels[i].cpu;
        mask |= KNOWN | (masks_stores() ? MASKED_STORES : 0);
        atomic_store_explicit(&known, mask, memory_order_relaxed);
    }
    return mask;
}

static bool machine_runs(lq_cpu cpu) {
    return machine() >> cpu & 1;
}

bool lq_masked_stores(void) {
    return (machine() & MASKED_STORES) != 0;
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

/* ------------------------------------------------------------------ caches */

#if LQ_ARCH == LQ_ARCH_X86
/* The largest that the leaf describes: Intel has one for it, AMD another of the same form. */
static size_t largest_cache(uint32_t leaf) {
    enum { CACHES = 16, TYPE = 31 };
    uint32_t a, b, c, d;
    size_t largest = 0;
    for (uint32_t i = 0; i < CACHES; ++i) {
        if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d) || !(a & TYPE)) break;
        const size_t line = (b & 0xfff) + 1;
        const size_t partitions = (b >> 12 & 0x3ff) + 1;
        const size_t size = ((b >> 22) + 1) * partitions * line * ((size_t)c + 1);
        if (size > largest) largest = size;
    }
    return largest;
}

static size_t last_cache(void) {
    const size_t intel = largest_cache(4);
    return intel ? intel : largest_cache(0x8000001du);
}

void lq_end_stores(void) {
    __builtin_ia32_sfence();
}
#else
/* What they gain has been measured nowhere else. */
static size_t last_cache(void) {
    return 0;
}

void lq_end_stores(void) {}
#endif

static _Atomic size_t stream_above; /* 0: not asked yet */

size_t lq_stream_above(void) {
    size_t bytes = atomic_load_explicit(&stream_above, memory_order_relaxed);
    if (!bytes) {
        bytes = last_cache();
        if (!bytes) bytes = SIZE_MAX;
        atomic_store_explicit(&stream_above, bytes, memory_order_relaxed);
    }
    return bytes;
}

void lq_set_stream_above(size_t bytes) {
    atomic_store_explicit(&stream_above, bytes, memory_order_relaxed);
}
