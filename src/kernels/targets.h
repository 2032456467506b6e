// a SIMD target + a table without kernels → the same table with one family filled in as compiled for that target.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/kernels.h"

namespace soma {

struct OnlineKernels;

/// Calls visit(target, name) for each SIMD target that has tables and that this machine runs, best first: Highway's number for
/// it, and its name here.
void for_each_simd_target(const std::function<void(std::int64_t target, const char* name)>& visit);

/// What Highway compiled of a function for one of the targets that for_each_simd_target() visits. Not HWY_DYNAMIC_DISPATCH: that
/// wants Highway's library, whose start takes longer (6 ms seen) than all of soma's.
#define SOMA_COMPILED_FOR(target, function)           \
  ((target) == HWY_AVX3   ? HWY_CHOOSE_AVX3(function) \
   : (target) == HWY_AVX2 ? HWY_CHOOSE_AVX2(function) \
   : (target) == HWY_SSE4 ? HWY_CHOOSE_SSE4(function) \
                          : HWY_CHOOSE_NEON(function))

void fill_gemm(std::int64_t target, Kernels<float>& table);
void fill_panels(std::int64_t target, Kernels<float>& table);
void fill_pooled(std::int64_t target, Kernels<float>& table);
void fill_activation(std::int64_t target, Kernels<float>& table);
void fill_softmax(std::int64_t target, Kernels<float>& table);
void fill_dots(std::int64_t target, Kernels<float>& table);
void fill_pool(std::int64_t target, Kernels<float>& table);
void fill_reduce(std::int64_t target, Kernels<float>& table);
void fill_update(std::int64_t target, Kernels<float>& table);
void fill_winners(std::int64_t target, Kernels<float>& table);
void fill_online(std::int64_t target, OnlineKernels& table);

}  // namespace soma
