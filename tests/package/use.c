/* A program of a user, in C11 and C++17: every level of the machine gives the codes expected. */
#include <libquant.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 2, COLUMNS = 40, COUNT = ROWS * COLUMNS };

static lq_status quantize(const float *values, int8_t *codes, float *scales) {
    const lq_tensor x = lq_matrix(values, LQ_F32, ROWS, COLUMNS);
    const lq_tensor q = lq_matrix(codes, LQ_S8, ROWS, COLUMNS);
    const lq_tensor s = lq_vector(scales, LQ_F32, ROWS);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_channel(0));
    return lq_quantize_dynamic(&x, &scheme, &q, &s, NULL, NULL);
}

int main(void) {
    float values[COUNT], scales[ROWS];
    int8_t codes[COUNT], expected[COUNT];
    lq_cpu level;
    int i;
    for (i = 0; i < COUNT; ++i) {
        expected[i] = (int8_t)((i * 29 + i / COLUMNS) % 255 - 127);
        if (i % COLUMNS == 7) expected[i] = -127;
        values[i] = (float)expected[i] * (i < COLUMNS ? 0.5f : 2.0f);
    }
    for (level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        lq_status status;
        if (!lq_cpu_available(level)) continue;
        memset(codes, 0, sizeof codes);
        status = lq_cpu_use(level);
        if (status == LQ_OK) status = quantize(values, codes, scales);
        if (status != LQ_OK) return printf("%s\n", lq_status_string(status)), 1;
        if (memcmp(codes, expected, sizeof codes) != 0 || scales[0] != 0.5f || scales[1] != 2.0f)
            return printf("other codes at level %s\n", lq_cpu_name(level)), 1;
    }
    printf("version %d, levels up to %s\n", (int)lq_version(), lq_cpu_name(lq_cpu_level()));
    return lq_version() != LQ_VERSION_MAJOR * 10000 + LQ_VERSION_MINOR * 100 + LQ_VERSION_PATCH;
}
