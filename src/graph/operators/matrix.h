// stacks of matrices → the extents of their products, and a walk over the pairs that are multiplied.
#pragma once

#include "graph/operator.h"
#include "graph/product.h"

namespace soma {

/// What NumPy's matmul makes of two arrays: vectors become matrices of one row or column, the extents before the last two
/// broadcast.
struct MatrixStacks {
  Shape a, b, outer;  ///< operands with at least two extents; the extents before the matrices
  std::int64_t m = 0, n = 0, k = 0;
  Shape result;
};
/// Refuses what does not fit.
[[nodiscard]] MatrixStacks matrix_stacks(Shape a, Shape b);

/// Calls each(offset of a's matrix, of b's, of the result's) for every pair.
template <class Each>
void each_pair(const MatrixStacks& stacks, Each&& each) {
  const auto outer = [&](const Shape& extents, std::int64_t matrix) {
    Shape strides = broadcast_strides(Shape(extents.begin(), extents.end() - 2), stacks.outer);
    for (std::int64_t& stride : strides) stride *= matrix;
    return strides;
  };
  Shape own = strides_of(stacks.outer);
  for (std::int64_t& stride : own) stride *= stacks.m * stacks.n;
  each_line<3>(stacks.outer, {outer(stacks.a, stacks.m * stacks.k), outer(stacks.b, stacks.k * stacks.n), own},
               [&](const auto& at, std::int64_t count, const auto& step) {
                 for (std::int64_t i = 0; i < count; ++i) each(at[0] + i * step[0], at[1] + i * step[1], at[2] + i * step[2]);
               });
}

}  // namespace soma
