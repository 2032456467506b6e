// arrays that broadcast → one array, element by element.
#pragma once

#include "graph/operator.h"

namespace soma {

/// How input b of an operator lies under its first input. Before operator set 7 `axis` says where b's extents begin; since then
/// NumPy's rule holds.
[[nodiscard]] Shape aligned(const Site& site, const Shape& a, const Shape& b);

/// y = f(a, b). `y` may be `a` where their extents are the same.
template <class A, class B, class Y, class F>
void elementwise(const Shape& extents, const A* a, const Shape& a_extents, const B* b, const Shape& b_extents, Y* y, F f) {
  each_line<3>(extents, {strides_of(extents), broadcast_strides(a_extents, extents), broadcast_strides(b_extents, extents)},
               [&](const auto& at, std::int64_t n, const auto& step) {
                 Y* to = y + at[0];
                 const A* left = a + at[1];
                 const B* right = b + at[2];
                 if (step[0] == 1 && step[1] == 1 && step[2] == 1)
                   for (std::int64_t i = 0; i < n; ++i) to[i] = f(left[i], right[i]);
                 else
                   for (std::int64_t i = 0; i < n; ++i) to[i * step[0]] = f(left[i * step[1]], right[i * step[2]]);
               });
}

/// The same for a call's first two inputs and its output, both inputs of type T.
template <class T, class Y, class F>
void elementwise(Call& call, F f) {
  const Operand &a = call.in[0], &b = call.in[1], &y = call.out[0];
  elementwise(y.extents, a.as<T>(), a.extents, b.as<T>(), aligned(call, a.extents, b.extents), y.as<Y>(), f);
}

}  // namespace soma
