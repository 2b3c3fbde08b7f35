#include "libquant.h"

static const struct {
    lq_status status;
    const char *text;
} statuses[] = {
    {LQ_OK, "success"},
    {LQ_ERROR_NULL, "a required pointer is NULL"},
    {LQ_ERROR_STRUCT, "a struct has the wrong struct_size or a field this version does not know"},
    {LQ_ERROR_TYPE, "an element type is unknown or not allowed in this argument"},
    {LQ_ERROR_RANK, "a rank is negative or above 8"},
    {LQ_ERROR_SHAPE, "a dimension is negative, or two shapes that must agree do not"},
    {LQ_ERROR_OVERFLOW, "a number of elements or bytes is too large to represent"},
    {LQ_ERROR_SIZE, "a view reaches outside its data"},
    {LQ_ERROR_STRIDE, "two elements of an output share memory, or its strides do not nest"},
    {LQ_ERROR_AXIS, "an axis is outside the tensor's rank"},
    {LQ_ERROR_BLOCK, "a block extent is negative, or the tile's rank is not the tensor's"},
    {LQ_ERROR_ENUM, "an enumeration or flag has an unknown value"},
    {LQ_ERROR_RANGE,
     "qmin and qmax are out of order, outside the code type, or leave the mapping no room"},
    {LQ_ERROR_GRID, "the shape of scale or zero point is not that of the block grid"},
    {LQ_ERROR_SCALE,
     "a scale is NaN, infinite, zero, or negative where the mapping has no negative ones; or a "
     "multiplier or shift is out of range"},
    {LQ_ERROR_ZERO_POINT,
     "a zero point is outside the code range, or not the symmetric mapping's own"},
    {LQ_ERROR_CODE, "a code does not fit into the packed type"},
    {LQ_ERROR_OVERLAP, "an output overlaps another argument"},
    {LQ_ERROR_CPU,
     "LIBQUANT_CPU, or the level asked for, is not one this machine and build can have"},
    {LQ_ERROR_EXEC,
     "parallel_for failed, left out a task or ran one twice; outputs are incomplete"},
    {LQ_ERROR_ALIGNMENT, "memory for a calibrator is not aligned to 8 bytes"},
    {LQ_ERROR_STATE, "this is no calibrator, or one of another version of the library"},
    {LQ_ERROR_METHOD, "the calibrator's statistic cannot serve this method or call"},
    {LQ_ERROR_EMPTY, "no finite value has been observed"},
    {LQ_ERROR_MISMATCH, "the calibrators were made with different options"},
    {LQ_ERROR_DATA, "the serialized calibrator is truncated or damaged"},
    {LQ_ERROR_VERSION, "the serialized calibrator is of a version that this library does not know"},
    {LQ_ERROR_TABLE, "a table holds NaN or an infinity, or its values do not ascend"},
    {LQ_ERROR_LAYOUT, "the layout does not hold such a matrix: its rows, columns, bits or parts"},
    {LQ_ERROR_INEXACT, "a value has no equal in the layout that is to hold it"},
};

const char *lq_status_string(lq_status status) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; ++i) {
        if (statuses[i].status == status) return statuses[i].text;
    }
    return "unknown status";
}

int32_t lq_version(void) {
    return LQ_VERSION_MAJOR * 10000 + LQ_VERSION_MINOR * 100 + LQ_VERSION_PATCH;
}
