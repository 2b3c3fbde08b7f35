/* The headers from C++; DLPack as a program of today has it. */
#include <libquant_dlpack.h>

int main() {
    DLTensor empty{};
    lq_tensor view = lq_matrix(nullptr, LQ_S8, 2, 3);
    return view.size == 6 && lq_tensor_from_dlpack(&empty, &view) == LQ_ERROR_ENUM ? 0 : 1;
}
