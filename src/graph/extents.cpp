// extents → strides, and what NumPy's broadcasting makes of two of them.
#include "graph/extents.h"

#include <algorithm>

namespace soma {

Shape strides_of(const Shape& extents) {
  Shape strides(extents.size(), 1);
  for (std::size_t d = extents.size(); d-- > 1;) strides[d - 1] = strides[d] * extents[d];
  return strides;
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape y = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  for (std::size_t d = 0; d < shorter.size(); ++d) {
    std::int64_t& extent = y[y.size() - 1 - d];
    const std::int64_t other = shorter[shorter.size() - 1 - d];
    if (extent == 1)
      extent = other;
    else if (other != 1 && other != extent)
      return std::nullopt;
  }
  return y;
}

Shape broadcast_strides(const Shape& x, const Shape& y) {
  const Shape own = strides_of(x);
  Shape strides(y.size(), 0);
  for (std::size_t d = 0; d < x.size(); ++d)
    if (x[d] != 1) strides[y.size() - x.size() + d] = own[d];
  return strides;
}

std::int64_t product(const Shape& extents, std::size_t begin, std::size_t end) {
  std::int64_t all = 1;
  for (std::size_t d = begin; d < end; ++d) all *= extents[d];
  return all;
}

}  // namespace soma
