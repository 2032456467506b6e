// images × filters → images, and back: convolution, optionally with activation and max-pooling in the same pass.
#include "core/arena.h"
#include "nn/filter.h"
#include "nn/layers.h"

namespace soma {
namespace {

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

// With dy behind activation and pooling:  dW[o,i,ky,kx] = Σ dy[n,y,x,o]·x[n, y·stride + ky·dilation − padding, …, i],  db = Σ dy,
// dx = the full correlation of dy with the filter turned round.
template <class T>
void backward(const ConvStep& s, const Run<T>& run) {
  undo_activation(s.activation, s.y, run);
  weight_gradient(s, run);
  if (s.x.gradient >= 0) input_gradient(s, run);
}

SOMA_INSTANTIATE_STEP(ConvStep)

}  // namespace soma
