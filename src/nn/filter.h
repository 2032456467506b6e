// a filter over channels-last images → the runs of numbers it reads, and what both directions of a convolution ask about it.
#pragma once

#include <algorithm>
#include <array>

#include "nn/layers.h"

namespace soma {

/// x with its padding, in scratch; x itself when there is none.
template <class T>
const T* padded_image(const ConvStep& s, const T* x, T* scratch) {
  if (s.padded == s.in) return x;
  const std::int64_t row = s.in.w * s.in.c, padded_row = s.padded.w * s.padded.c;
  std::fill(scratch, scratch + s.padded.size(), T(0));
  for (std::int64_t y = 0; y < s.in.h; ++y)
    std::copy(x + y * row, x + (y + 1) * row, scratch + (y + s.conv.padding_h) * padded_row + s.conv.padding_w * s.in.c);
  return scratch;
}

/// A filter over channels-last input, as runs of numbers that lie side by side: whole kernel rows where neither dilation nor
/// groups keep their pixels apart, single pixels otherwise. `channels` of the image's pixels, which are `pixel` numbers long, are
/// read.
struct Runs {
  std::int64_t across, count, depth;  // runs in a kernel row, in the filter, numbers in each

  Runs(const Conv2d& conv, std::int64_t channels, std::int64_t pixel)
      : across(conv.dilation_w == 1 && channels == pixel ? 1 : conv.kernel_w),
        count(conv.kernel_h * across),
        depth(conv.kernel_w / across * channels) {}

  /// Where run i begins in an image whose rows are image_row numbers long.
  std::int64_t offset(std::int64_t i, const Conv2d& conv, std::int64_t image_row, std::int64_t pixel) const {
    return i / across * conv.dilation_h * image_row + i % across * conv.dilation_w * pixel;
  }
};

inline constexpr std::int64_t kSegments = 128;  // of one product; longer lists are walked in pieces
using Segments = std::array<std::int64_t, kSegments>;

/// The runs of a filter as segments of products, worked out once for all rows of all images.
struct FilterSegments {
  Runs runs;
  Segments offsets{};  // of the first kSegments

  FilterSegments(const Conv2d& conv, std::int64_t channels, std::int64_t image_row, std::int64_t pixel)
      : runs(conv, channels, pixel) {
    fill(offsets, 0, conv, image_row, pixel);
  }

  /// Runs from `first` on; returns how many.
  std::int64_t fill(Segments& to, std::int64_t first, const Conv2d& conv, std::int64_t image_row, std::int64_t pixel) const {
    const std::int64_t count = std::min(kSegments, runs.count - first);
    for (std::int64_t i = 0; i < count; ++i) to[static_cast<std::size_t>(i)] = runs.offset(first + i, conv, image_row, pixel);
    return count;
  }
};

/// c(pixels, n) = bias + Σ over the filter: one row of output pixels for one group. g carries m, n, a, a_row, b, b_panel, c,
/// c_row, bias.
template <class T>
void convolve_row(const Run<T>& run, const Conv2d& conv, const FilterSegments& filter, std::int64_t image_row, std::int64_t pixel,
                  Gemm<T> g) {
  g.a_segments = filter.offsets.data();
  g.segments = std::min(kSegments, filter.runs.count);
  g.depth = filter.runs.depth;
  run.kernels.gemm(g);
  for (std::int64_t first = kSegments; first < filter.runs.count; first += kSegments) {
    Segments segments;
    g.b += g.segments * g.depth * kPanel;
    g.segments = filter.fill(segments, first, conv, image_row, pixel);
    g.a_segments = segments.data();
    g.accumulate = true;
    run.kernels.gemm(g);
  }
}

/// Rows of windows: how many units a sample's output is cut into.
inline std::int64_t units_of(const ConvStep& s, const Extent& y) { return s.pool ? y.h : s.out.h; }

inline std::int64_t forward_operations(const ConvStep& s, const Parameter& w) { return 2 * w.rows() * s.out.size(); }

/// dW (+)= and db (+)=, for dy behind activation and pooling: convolution_weights.cpp.
template <class T>
void weight_gradient(const ConvStep& step, const Run<T>& run);

/// dx =, for dy behind activation and pooling: convolution_input.cpp.
template <class T>
void input_gradient(const ConvStep& step, const Run<T>& run);

}  // namespace soma
