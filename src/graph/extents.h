// extents → strides, broadcasting, and walks over several arrays at once, a line at a time.
#pragma once

#include <array>
#include <optional>

#include "soma/tensor.h"

namespace soma {

/// Of an array in row order, counted in elements.
[[nodiscard]] Shape strides_of(const Shape& extents);

/// NumPy's rule; nothing where the extents do not fit.
[[nodiscard]] std::optional<Shape> broadcast(const Shape& a, const Shape& b);

/// Of an array with extents `x` that stands for one with extents `y`, which it broadcasts to: 0 where it is repeated.
[[nodiscard]] Shape broadcast_strides(const Shape& x, const Shape& y);

/// Product of extents [begin, end).
[[nodiscard]] std::int64_t product(const Shape& extents, std::size_t begin, std::size_t end);

/// Neighbouring extents that every array walks through without a gap become one. At least one extent is left.
template <std::size_t k>
void collapse(Shape& extents, std::array<Shape, k>& strides) {
  Shape merged;
  std::array<Shape, k> steps;
  for (std::size_t d = 0; d < extents.size(); ++d) {
    if (extents[d] == 1) continue;
    bool fits = !merged.empty();
    for (std::size_t a = 0; a < k && fits; ++a) fits = steps[a].back() == strides[a][d] * extents[d];
    if (fits) {
      merged.back() *= extents[d];
      for (std::size_t a = 0; a < k; ++a) steps[a].back() = strides[a][d];
    } else {
      merged.push_back(extents[d]);
      for (std::size_t a = 0; a < k; ++a) steps[a].push_back(strides[a][d]);
    }
  }
  if (merged.empty()) {
    merged.push_back(1);
    for (Shape& each : steps) each.push_back(0);
  }
  extents = std::move(merged);
  strides = std::move(steps);
}

/// Calls line(where each array's line begins, its length, each array's step along it) for every line along the last extent, in
/// row order. Arrays may have steps of 0 or below.
template <std::size_t k, class Line>
void each_line(Shape extents, std::array<Shape, k> strides, Line&& line) {
  for (const std::int64_t extent : extents)
    if (extent == 0) return;
  collapse(extents, strides);
  const std::size_t last = extents.size() - 1;
  std::array<std::int64_t, k> at{}, step{};
  for (std::size_t a = 0; a < k; ++a) step[a] = strides[a][last];
  Shape index(last, 0);
  while (true) {
    line(at, extents[last], step);
    std::size_t d = last;
    while (d > 0) {
      --d;
      for (std::size_t a = 0; a < k; ++a) at[a] += strides[a][d];
      if (++index[d] < extents[d]) break;
      for (std::size_t a = 0; a < k; ++a) at[a] -= strides[a][d] * extents[d];
      index[d] = 0;
      if (d == 0) return;
    }
    if (last == 0) return;
  }
}

/// y[i…] = x[i…] with any strides on either side.
template <class T>
void copy_strided(const Shape& extents, const T* x, const Shape& x_strides, T* y, const Shape& y_strides) {
  each_line<2>(extents, {x_strides, y_strides}, [&](const auto& at, std::int64_t n, const auto& step) {
    const T* from = x + at[0];
    T* to = y + at[1];
    for (std::int64_t i = 0; i < n; ++i) to[i * step[1]] = from[i * step[0]];
  });
}

}  // namespace soma
