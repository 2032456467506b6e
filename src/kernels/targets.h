// a table without kernels → the same table with one family filled in for the SIMD target Highway has chosen.
#pragma once

#include "kernels/kernels.h"

namespace soma {

/// Highway's number for a SIMD target → its name here, or null for one that has no table.
const char* simd_target_name(std::int64_t target);

void fill_online(Kernels<float>& table);
void fill_gemm(Kernels<float>& table);
void fill_panels(Kernels<float>& table);
void fill_pooled(Kernels<float>& table);
void fill_activation(Kernels<float>& table);
void fill_softmax(Kernels<float>& table);
void fill_dots(Kernels<float>& table);
void fill_pool(Kernels<float>& table);
void fill_reduce(Kernels<float>& table);
void fill_update(Kernels<float>& table);
void fill_winners(Kernels<float>& table);

}  // namespace soma
