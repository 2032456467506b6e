// attributes of convolutions and pools + the extents of what they read → windows, over any number of extents.
#pragma once

#include "graph/operator.h"

namespace soma {

/// Windows over the extents behind batch and channels. Every list has one number for each of those.
struct Windows {
  Shape x, kernel, stride, dilation, before, after, y;  ///< before, after: padding; y: how many windows

  [[nodiscard]] std::int64_t points() const { return product(kernel, 0, kernel.size()); }
  [[nodiscard]] std::int64_t positions() const { return product(y, 0, y.size()); }
};

/// Reads auto_pad, pads, strides, dilations, ceil_mode. Refuses what does not fit x [batch, channels, …].
[[nodiscard]] Windows windows_of(const Site& site, const Shape& x, Shape kernel);

/// Calls each(window, point, offset in x, or −1 beside it) for every point of every window, windows in row order.
template <class Each>
void each_point(const Windows& windows, Each&& each) {
  const std::size_t rank = windows.x.size();
  const Shape strides = strides_of(windows.x);
  const std::int64_t positions = windows.positions(), points = windows.points();
  Shape at(rank, 0);
  for (std::int64_t w = 0; w < positions; ++w) {
    Shape point(rank, 0);
    for (std::int64_t p = 0; p < points; ++p) {
      std::int64_t offset = 0;
      for (std::size_t d = 0; d < rank && offset >= 0; ++d) {
        const std::int64_t place = at[d] * windows.stride[d] - windows.before[d] + point[d] * windows.dilation[d];
        offset = place < 0 || place >= windows.x[d] ? -1 : offset + place * strides[d];
      }
      each(w, p, offset);
      for (std::size_t d = rank; d-- > 0 && ++point[d] == windows.kernel[d];) point[d] = 0;
    }
    for (std::size_t d = rank; d-- > 0 && ++at[d] == windows.y[d];) at[d] = 0;
  }
}

}  // namespace soma
