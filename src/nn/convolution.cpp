// images × filters → images, and back: convolution, optionally with activation and max-pooling in the same pass.
#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "nn/filter.h"
#include "nn/layers.h"

namespace soma {
namespace {

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

/// Output row `y` of one padded image and one group, before pooling and activation: [out.w, out.c] at `to`, whose columns of that
/// group are written.
template <class T>
Gemm<T> row_product(const ConvStep& s, const Run<T>& run, const T* image, std::int64_t y, std::int64_t group, T* to) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t per_group = s.out.c / s.conv.groups;
  Gemm<T> g;
  g.m = s.out.w;
  g.n = per_group;
  g.a = image + y * s.conv.stride_h * s.padded.w * s.padded.c + group * w.in;
  g.a_row = s.conv.stride_w * s.in.c;
  g.b = run.parameter(s.weight) + group * w.group_stride();
  g.b_panel = w.panel_stride();
  g.c = to + group * per_group;
  g.c_row = s.out.c;
  if (s.bias >= 0) g.bias = run.parameter(s.bias) + group * run.parameter_at(s.bias).group_stride();
  return g;
}

template <class T>
void forward_row(const ConvStep& s, const Run<T>& run, const FilterSegments& filter, const T* image, std::int64_t y, T* to) {
  for (std::int64_t group = 0; group < s.conv.groups; ++group)
    convolve_row(run, s.conv, filter, s.padded.w * s.padded.c, s.in.c, row_product(s, run, image, y, group, to));
}

/// A row of windows of 2×2: pooled before it reaches memory.
template <class T>
void pooled_row(const ConvStep& s, const Run<T>& run, const FilterSegments& filter, const T* image, std::int64_t row, T* y,
                std::uint16_t* winner) {
  for (std::int64_t group = 0; group < s.conv.groups; ++group) {
    PooledGemm<T> pooled{row_product(s, run, image, 2 * row, group, y), s.conv.stride_h * s.padded.w * s.padded.c, winner};
    pooled.product.m = s.pool->out_w;
    pooled.product.depth = filter.runs.depth;
    pooled.product.a_segments = filter.offsets.data();
    pooled.product.segments = filter.runs.count;
    if (winner != nullptr) pooled.winner += pooled.product.c - y;
    run.kernels.pooled_gemm(pooled);
  }
}

}  // namespace

// y = f(maximum(conv(x) + b)). A unit is one row of windows: its convolution stays in the first-level cache until it is pooled.
template <class T>
void forward(const ConvStep& s, const Run<T>& run) {
  const Extent extent = run.at(s.y).extent;
  const std::int64_t units = units_of(s, extent), row_size = extent.w * extent.c;
  const FilterSegments filter(s.conv, run.parameter_at(s.weight).in, s.padded.w * s.padded.c, s.in.c);
  const bool in_registers = s.pool && s.pool->size_h == 2 && s.pool->size_w == 2 && run.kernels.pooled_gemm != nullptr;
  run.share(run.rows * units, forward_operations(s, run.parameter_at(s.weight)) / units,
            [&](std::int64_t begin, std::int64_t end, int member) {
              T* scratch = run.member_scratch(member);
              T* unpooled = scratch + aligned<float>(s.padded.size());
              const T* image = nullptr;
              for (std::int64_t unit = begin; unit < end; ++unit) {
                const std::int64_t sample = unit / units, row = unit % units;
                if (image == nullptr || row == 0) image = padded_image(s, run.value(s.x.value) + sample * s.in.size(), scratch);
                T* y = run.value(s.y) + sample * extent.size() + row * row_size;
                std::uint16_t* const winner = run.training && s.pool ? run.winners + s.winners + unit * row_size : nullptr;
                if (in_registers) {
                  pooled_row(s, run, filter, image, row, y, winner);
                } else if (s.pool) {
                  for (std::int64_t i = 0; i < s.pool->h; ++i)
                    forward_row(s, run, filter, image, row * s.pool->h + i, unpooled + i * s.out.w * s.out.c);
                  run.kernels.max_pool(*s.pool, unpooled, y, winner);
                } else {
                  forward_row(s, run, filter, image, row, y);
                }
                if (s.activation) run.kernels.activate(*s.activation, y, y, row_size);
              }
            });
}

namespace {

/// Weights turned round by 180° with inputs and outputs exchanged: [kernel_h·kernel_w·out/groups] rows, panels of inputs.
template <class T>
void flip_weights(const ConvStep& s, const Run<T>& run) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t kernel = w.kernel_h * w.kernel_w, per_group = s.out.c / s.conv.groups, rows = kernel * per_group;
  const std::int64_t group_size = panels(w.in) * kPanel * rows;
  run.share(s.conv.groups * kernel, per_group * w.in * 8, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t group = unit / kernel, k = unit % kernel;
      const T* from = run.parameter(s.weight) + group * w.group_stride() + (kernel - 1 - k) * w.in * kPanel;
      T* to = run.partials + s.flipped + group * group_size + k * per_group * kPanel;
      run.kernels.transpose(
          {.rows = w.in, .cols = per_group, .x = from, .x_panel = w.panel_stride(), .y = to, .y_panel = rows * kPanel});
    }
  });
}

/// dy of one sample (before pooling) with zeros between and around, so that the input gradient is a plain convolution over it.
template <class T>
void spread_gradient(const ConvStep& s, const Run<T>& run, std::int64_t sample, T* spread, T* unpooled) {
  const Extent extent = run.at(s.y).extent;
  std::fill(spread, spread + s.spread.size(), T(0));
  const std::int64_t top = s.conv.dilation_h * (s.conv.kernel_h - 1), left = s.conv.dilation_w * (s.conv.kernel_w - 1);
  const std::int64_t channels = s.out.c, units = units_of(s, extent), rows = s.pool ? s.pool->h : 1;
  for (std::int64_t unit = 0; unit < units; ++unit) {
    const std::int64_t at = sample * extent.size() + unit * extent.w * extent.c;
    const T* from = run.gradient(s.y) + at;
    if (s.pool) {
      run.kernels.max_pool_backward(*s.pool, from, run.winners + s.winners + at, unpooled);
      from = unpooled;
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      T* to = spread + ((unit * rows + i) * s.conv.stride_h + top) * s.spread.w * channels + left * channels;
      for (std::int64_t x = 0; x < s.out.w; ++x)
        std::copy_n(from + (i * s.out.w + x) * channels, channels, to + x * s.conv.stride_w * channels);
    }
  }
}

template <class T>
void input_gradient(const ConvStep& s, const Run<T>& run) {
  flip_weights(s, run);
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t per_group = s.out.c / s.conv.groups, spread_row = s.spread.w * s.out.c;
  const std::int64_t flipped_panel = w.kernel_h * w.kernel_w * per_group * kPanel;
  const FilterSegments filter(s.conv, per_group, spread_row, s.out.c);
  run.share(run.rows, 2 * w.rows() * s.out.c * s.in.h * s.in.w, [&](std::int64_t begin, std::int64_t end, int member) {
    T* spread = run.member_scratch(member);
    T* unpooled = spread + aligned<float>(s.spread.size());
    for (std::int64_t sample = begin; sample < end; ++sample) {
      spread_gradient(s, run, sample, spread, unpooled);
      T* dx = run.gradient(s.x) + sample * s.in.size();
      for (std::int64_t y = 0; y < s.in.h; ++y)
        for (std::int64_t group = 0; group < s.conv.groups; ++group) {
          Gemm<T> g;
          g.m = s.in.w;
          g.n = w.in;
          g.a = spread + (y + s.conv.padding_h) * spread_row + s.conv.padding_w * s.out.c + group * per_group;
          g.a_row = s.out.c;
          g.b = run.partials + s.flipped + group * panels(w.in) * flipped_panel;
          g.b_panel = flipped_panel;
          g.c = dx + y * s.in.w * s.in.c + group * w.in;
          g.c_row = s.in.c;
          convolve_row(run, s.conv, filter, spread_row, s.out.c, g);
        }
    }
  });
}

}  // namespace

// With dy behind activation and pooling:  dW[o,i,ky,kx] = Σ dy[n,y,x,o]·x[n, y·stride + ky·dilation − padding, …, i],  db = Σ dy,
// dx = the full correlation of dy (spread by the stride) with the filter turned round.
template <class T>
void backward(const ConvStep& s, const Run<T>& run) {
  undo_activation(s.activation, s.y, run);
  weight_gradient(s, run);
  if (s.x.gradient >= 0) input_gradient(s, run);
}

SOMA_INSTANTIATE_STEP(ConvStep)

}  // namespace soma
