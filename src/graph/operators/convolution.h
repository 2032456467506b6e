// arrays [batch, channels, …] and filters → convolutions over any number of extents and any element type.
#pragma once

#include <vector>

#include "graph/operators/windows.h"
#include "graph/product.h"

namespace soma {

struct ConvolutionSizes {
  std::int64_t batch = 0, channels = 0, out = 0, groups = 1;
  Windows windows;
};
/// Of Conv and its relatives with integers. Refuses filters that do not fit.
[[nodiscard]] ConvolutionSizes convolution_sizes(const Site& site, const Shape& x, const Shape& w);
[[nodiscard]] Shape convolution_extents(const ConvolutionSizes& sizes);

/// y [batch, out, …] = x [batch, channels, …] ∗ w [out, channels / groups, …], without bias. Padding counts as 0.
template <class T>
void convolve(const ConvolutionSizes& sizes, const T* x, const T* w, T* y) {
  const Windows& windows = sizes.windows;
  const std::int64_t inside = sizes.channels / sizes.groups, outside = sizes.out / sizes.groups;
  const std::int64_t area = product(windows.x, 0, windows.x.size()), points = windows.points(), positions = windows.positions();
  const std::int64_t depth = inside * points;
  std::vector<T> patches(static_cast<std::size_t>(depth * positions));
  for (std::int64_t image = 0; image < sizes.batch; ++image)
    for (std::int64_t group = 0; group < sizes.groups; ++group) {
      const T* from = x + (image * sizes.channels + group * inside) * area;
      each_point(windows, [&](std::int64_t window, std::int64_t point, std::int64_t offset) {
        for (std::int64_t c = 0; c < inside; ++c)
          patches[static_cast<std::size_t>((c * points + point) * positions + window)] =
              offset < 0 ? T(0) : from[c * area + offset];
      });
      multiply(outside, positions, depth, Matrix<T>{w + group * outside * depth, depth}, Matrix<T>{patches.data(), positions},
               y + (image * sizes.out + group * outside) * positions);
    }
}

}  // namespace soma
