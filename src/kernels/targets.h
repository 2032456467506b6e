// a table without kernels → the same table with one family filled in for the SIMD target Highway has chosen.
#pragma once

#include <functional>

#include "kernels/kernels.h"

namespace soma {

struct OnlineKernels;

/// Calls visit(name) for each SIMD target of this machine that has tables, best first, with Highway's dispatch pointed at it, and
/// leaves dispatch to find its own best again. One thread at a time gets in.
void for_each_simd_target(const std::function<void(const char* name)>& visit);

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
void fill_online(OnlineKernels& table);

}  // namespace soma
