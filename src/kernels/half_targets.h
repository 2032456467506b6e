// an instruction set → its table of half-precision kernels, where there is one.
#pragma once

#include "kernels/half.h"

namespace soma {

/// Fills in the emulation for the SIMD target Highway has chosen.
void fill_half(std::int64_t target, HalfKernels& table);

/// AVX512-FP16, or null where this machine or this build has none.
const HalfKernels* native_half_kernels();

}  // namespace soma
