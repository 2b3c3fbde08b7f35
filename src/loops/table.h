/*
 * Makes the instances of every kernel in the list from a level's bodies, and its table.
 * The including file defines LQ_TABLE, the table's name, and has the bodies above:
 * name(work, real), name(work, width), name(work, real, width) or name(work, real, real), all
 * inline.
 */
#define LQ_ARGS_lq_map_fn const lq_map_work *work
#define LQ_ARGS_lq_range_fn const lq_range_work *work
#define LQ_ARGS_lq_tally_fn const lq_tally_work *work
#define LQ_ARGS_lq_count_fn const lq_map_work *work, lq_counts *counts
#define LQ_ARGS_lq_sum_fn const lq_sum_work *work
#define LQ_ARGS_lq_product_fn const lq_product_work *work
#define LQ_ARGS_lq_grad_fn const lq_grad_work *work
#define LQ_PASS_lq_map_fn work
#define LQ_PASS_lq_range_fn work
#define LQ_PASS_lq_tally_fn work
#define LQ_PASS_lq_count_fn work, counts
#define LQ_PASS_lq_sum_fn work
#define LQ_PASS_lq_product_fn work
#define LQ_PASS_lq_grad_fn work

#define LQ_MAKE(name, fn, suffix, ...)                                                             \
    static void name##_##suffix(LQ_ARGS_##fn) {                                                    \
        name(LQ_PASS_##fn, __VA_ARGS__);                                                           \
    }

#define LQ_MAKE_REAL(name, fn)                                                                     \
    LQ_MAKE(name, fn, f32, LQ_REAL_f32)                                                            \
    LQ_MAKE(name, fn, f16, LQ_REAL_f16)                                                            \
    LQ_MAKE(name, fn, bf16, LQ_REAL_bf16)
#define LQ_MAKE_BYTES(name, fn)                                                                    \
    LQ_MAKE(name, fn, 2, LQ_WIDTH_2)                                                               \
    LQ_MAKE(name, fn, 4, LQ_WIDTH_4)                                                               \
    LQ_MAKE(name, fn, 8, LQ_WIDTH_8)
#define LQ_MAKE_CODE(name, fn)                                                                     \
    LQ_MAKE_BYTES(name, fn)                                                                        \
    LQ_MAKE(name, fn, 6, LQ_WIDTH_6)
#define LQ_MAKE_WIDTH(name, fn)                                                                    \
    LQ_MAKE_BYTES(name, fn)                                                                        \
    LQ_MAKE(name, fn, 16, LQ_WIDTH_16)
#define LQ_MAKE_WIDTHS(name, fn, real)                                                             \
    LQ_MAKE(name, fn, real##_2, LQ_REAL_##real, LQ_WIDTH_2)                                        \
    LQ_MAKE(name, fn, real##_4, LQ_REAL_##real, LQ_WIDTH_4)                                        \
    LQ_MAKE(name, fn, real##_8, LQ_REAL_##real, LQ_WIDTH_8)                                        \
    LQ_MAKE(name, fn, real##_16, LQ_REAL_##real, LQ_WIDTH_16)
#define LQ_MAKE_REAL_CODE(name, fn)                                                                \
    LQ_MAKE_WIDTHS(name, fn, f32)                                                                  \
    LQ_MAKE_WIDTHS(name, fn, f16)                                                                  \
    LQ_MAKE_WIDTHS(name, fn, bf16)
#define LQ_MAKE_TARGETS(name, fn, real)                                                            \
    LQ_MAKE(name, fn, real##_to_f32, LQ_REAL_##real, LQ_REAL_f32)                                  \
    LQ_MAKE(name, fn, real##_to_f16, LQ_REAL_##real, LQ_REAL_f16)                                  \
    LQ_MAKE(name, fn, real##_to_bf16, LQ_REAL_##real, LQ_REAL_bf16)                                \
    LQ_MAKE(name, fn, real##_to_f64, LQ_REAL_##real, LQ_REAL_f64)
#define LQ_MAKE_REAL_REAL(name, fn)                                                                \
    LQ_MAKE_TARGETS(name, fn, f32)                                                                 \
    LQ_MAKE_TARGETS(name, fn, f16)                                                                 \
    LQ_MAKE_TARGETS(name, fn, bf16)                                                                \
    LQ_MAKE_TARGETS(name, fn, f64)

LQ_MAKE_REAL(dequantize_halves, lq_map_fn)
LQ_KERNEL_LIST(LQ_MAKE_REAL, LQ_MAKE_CODE, LQ_MAKE_WIDTH, LQ_MAKE_REAL_CODE, LQ_MAKE_REAL_REAL)

#define LQ_SET_REAL(name, fn) .name = {name##_f32, name##_f16, name##_bf16},
#define LQ_SET_CODE(name, fn) .name = {name##_2, name##_4, name##_8, NULL, name##_6},
#define LQ_SET_WIDTH(name, fn) .name = {name##_2, name##_4, name##_8, name##_16},
#define LQ_SET_WIDTHS(name, real)                                                                  \
    { name##_##real##_2, name##_##real##_4, name##_##real##_8, name##_##real##_16 }
#define LQ_SET_REAL_CODE(name, fn)                                                                 \
    .name = {LQ_SET_WIDTHS(name, f32), LQ_SET_WIDTHS(name, f16), LQ_SET_WIDTHS(name, bf16)},
#define LQ_SET_TARGETS(name, real)                                                                 \
    {                                                                                              \
        name##_##real##_to_f32, name##_##real##_to_f16, name##_##real##_to_bf16,                   \
            name##_##real##_to_f64                                                                 \
    }
#define LQ_SET_REAL_REAL(name, fn)                                                                 \
    .name = {LQ_SET_TARGETS(name, f32), LQ_SET_TARGETS(name, f16), LQ_SET_TARGETS(name, bf16),     \
             LQ_SET_TARGETS(name, f64)},

extern const lq_kernels LQ_TABLE;
const lq_kernels LQ_TABLE = {
    LQ_KERNEL_LIST(LQ_SET_REAL, LQ_SET_CODE, LQ_SET_WIDTH, LQ_SET_REAL_CODE, LQ_SET_REAL_REAL)
        LQ_SET_REAL(dequantize_halves, lq_map_fn)
            .error_sums = error_sums,
    .expected_errors = expected_errors,
    .choose_scales = choose_scales,
    .are_scales = are_scales,
    .quantize_blocks = quantize_blocks,
    .gather_panel = gather_panel,
    .scatter_panel = scatter_panel};
