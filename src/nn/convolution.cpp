// images × filters → images, and back: convolution, optionally with activation and max-pooling in the same pass.
#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "nn/layers.h"

namespace soma {
namespace {

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

constexpr std::int64_t kSegments = 128;  // of one product; longer lists are walked in pieces
using Segments = std::array<std::int64_t, kSegments>;

/// c(pixels, n) = bias + Σ over the filter: one row of output pixels for one group. g carries m, n, a, a_row, b, b_panel, c,
/// c_row, bias.
template <class T>
void convolve_row(const Run<T>& run, const Conv2d& conv, std::int64_t channels, std::int64_t image_row, std::int64_t pixel,
                  Gemm<T> g) {
  const Runs runs(conv, channels, pixel);
  Segments segments;
  g.a_segments = segments.data();
  g.depth = runs.depth;
  for (std::int64_t first = 0; first < runs.count; first += kSegments) {
    g.segments = std::min(kSegments, runs.count - first);
    for (std::int64_t i = 0; i < g.segments; ++i)
      segments[static_cast<std::size_t>(i)] = runs.offset(first + i, conv, image_row, pixel);
    run.kernels.gemm(g);
    g.b += g.segments * runs.depth * kPanel;
    g.accumulate = true;
  }
}

/// Output row `y` of one padded image, before pooling and activation: to [out.w, out.c].
template <class T>
void forward_row(const ConvStep& s, const Run<T>& run, const T* image, std::int64_t y, T* to) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t image_row = s.padded.w * s.padded.c, per_group = s.out.c / s.conv.groups;
  for (std::int64_t group = 0; group < s.conv.groups; ++group) {
    Gemm<T> g;
    g.m = s.out.w;
    g.n = per_group;
    g.a = image + y * s.conv.stride_h * image_row + group * w.in;
    g.a_row = s.conv.stride_w * s.in.c;
    g.b = run.parameter(s.weight) + group * w.group_stride();
    g.b_panel = w.panel_stride();
    g.c = to + group * per_group;
    g.c_row = s.out.c;
    if (s.bias >= 0) g.bias = run.parameter(s.bias) + group * run.parameter_at(s.bias).group_stride();
    convolve_row(run, s.conv, w.in, image_row, s.in.c, g);
  }
}

/// Rows of windows: how many units a sample's output is cut into.
std::int64_t units_of(const ConvStep& s, const Extent& y) { return s.pool ? y.h : s.out.h; }

std::int64_t forward_operations(const ConvStep& s, const Parameter& w) { return 2 * w.rows() * s.out.size(); }

}  // namespace

// y = f(maximum(conv(x) + b)). A unit is one row of windows: its convolution stays in the first-level cache until it is pooled.
template <class T>
void forward(const ConvStep& s, const Run<T>& run) {
  const Extent extent = run.at(s.y).extent;
  const std::int64_t units = units_of(s, extent), row_size = extent.w * extent.c;
  run.share(run.rows * units, forward_operations(s, run.parameter_at(s.weight)) / units,
            [&](std::int64_t begin, std::int64_t end, int member) {
              T* scratch = run.member_scratch(member);
              T* unpooled = scratch + aligned<float>(s.padded.size());
              const T* image = nullptr;
              for (std::int64_t unit = begin; unit < end; ++unit) {
                const std::int64_t sample = unit / units, row = unit % units;
                if (image == nullptr || row == 0) image = padded_image(s, run.value(s.x.value) + sample * s.in.size(), scratch);
                T* y = run.value(s.y) + sample * extent.size() + row * row_size;
                if (s.pool) {
                  for (std::int64_t i = 0; i < s.pool->h; ++i)
                    forward_row(s, run, image, row * s.pool->h + i, unpooled + i * s.out.w * s.out.c);
                  run.kernels.max_pool(*s.pool, unpooled, y, run.training ? run.winners + s.winners + unit * row_size : nullptr);
                } else {
                  forward_row(s, run, image, row, y);
                }
                if (s.activation) run.kernels.activate(*s.activation, y, y, row_size);
              }
            });
}

namespace {

/// dW and db of one row of windows (or, without a pool, of a whole image), added to the piece's partial sums.
template <class T>
void add_weight_gradient(const ConvStep& s, const Run<T>& run, const T* image, std::int64_t first_row, std::int64_t rows,
                         const T* dy, T* packed, T* dw) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t image_row = s.padded.w * s.padded.c, per_group = s.out.c / s.conv.groups, pixels = rows * s.out.w;
  const Runs runs(s.conv, w.in, s.in.c);
  Segments segments;
  for (std::int64_t group = 0; group < s.conv.groups; ++group) {
    Gemm<T> g;
    g.n = per_group;
    g.b = dy + group * per_group;
    g.b_row = s.out.c;
    g.b_panel = kPanel;
    if (per_group % kPanel != 0) {
      run.kernels.pack_panels(g.b, s.out.c, pixels, per_group, packed, pixels * kPanel);
      g.b = packed;
      g.b_row = kPanel;
      g.b_panel = pixels * kPanel;
    }
    g.depth = s.out.w;
    g.a_row = 1;
    g.a_col = s.conv.stride_w * s.in.c;
    g.c_row = kPanel;
    g.c_panel = w.panel_stride();
    g.accumulate = true;
    g.m = runs.depth;
    g.a_segments = segments.data();
    for (std::int64_t first = 0; first < rows; first += kSegments) {
      g.segments = std::min(kSegments, rows - first);
      for (std::int64_t i = 0; i < g.segments; ++i)
        segments[static_cast<std::size_t>(i)] = (first_row + first + i) * s.conv.stride_h * image_row;
      for (std::int64_t i = 0; i < runs.count; ++i) {
        g.a = image + group * w.in + runs.offset(i, s.conv, image_row, s.in.c);
        g.c = dw + group * w.group_stride() + i * runs.depth * kPanel;
        run.kernels.gemm(g);
      }
      g.b += g.segments * s.out.w * g.b_row;
    }
  }
}

// Each piece of the batch sums its own dW and db; then the pieces are added in order. Pieces depend on the batch alone.
template <class T>
void weight_gradient(const ConvStep& s, const Run<T>& run) {
  const Parameter& w = run.parameter_at(s.weight);
  const Extent extent = run.at(s.y).extent;
  const std::int64_t dw_size = aligned<float>(w.size), piece = dw_size + aligned<float>(s.out.c);
  const std::int64_t chunks = std::min(s.chunks, run.rows), rows = s.pool ? s.pool->h : s.out.h;
  run.share(chunks, run.rows * forward_operations(s, w) / chunks, [&](std::int64_t begin, std::int64_t end, int member) {
    T* scratch = run.member_scratch(member);
    T* unpooled = scratch + aligned<float>(s.padded.size());
    T* packed = unpooled + (s.pool ? aligned<float>(rows * s.out.w * s.out.c) : 0);
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      T* dw = run.partials + s.partial + chunk * piece;
      std::fill(dw, dw + piece, T(0));
      for (std::int64_t sample = run.rows * chunk / chunks; sample < run.rows * (chunk + 1) / chunks; ++sample) {
        const T* image = padded_image(s, run.value(s.x.value) + sample * s.in.size(), scratch);
        const T* dy = run.gradient(s.y) + sample * extent.size();
        for (std::int64_t unit = 0; unit < (s.pool ? extent.h : 1); ++unit) {
          const T* before_pool = dy;
          if (s.pool) {
            const std::int64_t at = sample * extent.size() + unit * extent.w * extent.c;
            run.kernels.max_pool_backward(*s.pool, run.gradient(s.y) + at, run.winners + s.winners + at, unpooled);
            before_pool = unpooled;
          }
          add_weight_gradient(s, run, image, unit * rows, rows, before_pool, packed, dw);
          if (s.bias >= 0) run.kernels.sum_rows(before_pool, s.out.c, rows * s.out.w, s.out.c, true, dw + dw_size);
        }
      }
    }
  });
  const std::int64_t blocks = (w.size + 1023) / 1024;
  run.share(blocks, chunks * 1024, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t first = begin * 1024, count = std::min(end * 1024, w.size) - first;
    T* dw = run.parameter_gradient(s.weight) + first;
    if (!run.accumulate) std::fill(dw, dw + count, T(0));
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
      run.kernels.add(dw, run.partials + s.partial + chunk * piece + first, dw, count);
  });
  if (s.bias < 0) return;
  const Parameter& b = run.parameter_at(s.bias);
  T* db = run.parameter_gradient(s.bias);
  for (std::int64_t o = 0; o < s.out.c; ++o) {
    T sum = run.accumulate ? db[b.place(o)] : T(0);
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) sum += run.partials[s.partial + chunk * piece + dw_size + o];
    db[b.place(o)] = sum;
  }
}

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
      run.kernels.transpose_panels(from, w.panel_stride(), w.in, per_group, to, rows * kPanel);
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
          convolve_row(run, s.conv, per_group, spread_row, s.out.c, g);
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
