// floats → sums of products in half precision: the matrix product of fp16 training, one table per instruction set.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/kernels.h"

namespace soma {

/// Products that are added up in half precision before their sum is widened.
inline constexpr std::int64_t kHalfBlock = 32;

/// x in IEEE 754's binary16: the nearest of its numbers, of two the even one; infinity from 65520 on. NaN stays NaN.
double rounded_to_half(double x) noexcept;

/// The product of Gemm with its factors in half precision, the one definition that every table follows to the bit (one NaN is as
/// good as another). Over the products r = s·depth + k in ascending order, cut into blocks of kHalfBlock:
///
///   c(i, j) = ((start + p_0) + p_1) + …                                        in single precision
///   p_q     : p = 0, then p ← half(half(a(i, r)) · half(b(r, j)) + p)          for each r of block q, rounded once
///
/// c does not depend on how rows and columns are cut; its depth may be cut by accumulating at multiples of kHalfBlock. A product
/// or sum beyond 65504 becomes infinite. Serial, noexcept, allocates nothing.
struct HalfKernels {
  const char* target = "";
  bool native = false;  ///< half-precision instructions, not an emulation in single precision
  void (*gemm)(const Gemm<float>&) noexcept = nullptr;
};

/// The definition: plain loops, the judge of all others.
const HalfKernels& reference_half_kernels();

/// Every table this machine can run, the reference last; "avx512-fp16" is the native one of target "avx512".
std::span<const HalfKernels* const> usable_half_kernels();

/// Of the tables that go with a target that select_kernels chose, the fastest as measured once in this process. All give the same
/// bits, so what a clock says changes no result.
const HalfKernels& half_kernels_for(std::string_view target);

/// The same kernels with their matrix product in half precision.
Kernels<float> with_half_products(Kernels<float> kernels);

}  // namespace soma
