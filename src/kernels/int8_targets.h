// an instruction set → its table of 8-bit kernels, where there is one.
#pragma once

#include "kernels/int8.h"

namespace soma {

/// Fills in what the SIMD target Highway has chosen can do; the rest keeps what it had.
void fill_int8(std::int64_t target, Int8Kernels& table);

/// AVX512-VNNI, or null where this machine or this build has none.
const Int8Kernels* vnni_int8_kernels();

}  // namespace soma
