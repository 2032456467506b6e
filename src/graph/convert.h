// elements of one type → the same numbers as another type.
#pragma once

#include "graph/operator.h"

namespace soma {

/// y[i] = x[i] as the type of y. Towards whole numbers fractions are cut off, what does not fit becomes the nearest number that
/// does, and NaN becomes 0. Text is read and written as C++ numbers are. Whether every text was a number.
[[nodiscard]] bool convert(const Operand& x, const Operand& y);

/// float32 ↔ float16 or bfloat16, either way.
void convert_half(const Operand& x, const Operand& y);

}  // namespace soma
