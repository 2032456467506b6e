// dy → the gradient of a convolution's input: as many plain correlations as the stride has phases, none of which multiplies by a
// zero.
#include <algorithm>
#include <numeric>

#include "core/arena.h"
#include "nn/filter.h"

namespace soma {
namespace {

/// Height or width of a convolution.
struct Axis {
  std::int64_t in, kernel, stride, padding, dilation;
};
Axis axis_h(const ConvStep& s) { return {s.in.h, s.conv.kernel_h, s.conv.stride_h, s.conv.padding_h, s.conv.dilation_h}; }
Axis axis_w(const ConvStep& s) { return {s.in.w, s.conv.kernel_w, s.conv.stride_w, s.conv.padding_w, s.conv.dilation_w}; }

/// How far before the output that a position of x begins, dy is read: the margin in front of it.
std::int64_t reach(const Axis& axis) { return axis.dilation * (axis.kernel - 1) / axis.stride; }

/// The positions of dx that leave the same rest when divided by the stride, padding counted. The same taps of the filter reach
/// all of them, and read dy side by side.
struct Phase {
  std::int64_t first = 0, count = 0;  ///< positions first, first + stride, …
  std::int64_t tap = 0, apart = 0;    ///< of the filter: tap, tap + apart, …
  std::int64_t taps = 0, before = 0;  ///< so many, and so many in the phases before this one
  std::int64_t from = 0;              ///< where the last tap reads dy, its margin counted, for the first position
  std::int64_t dilation = 1;          ///< how far apart the taps read
};

Phase phase_of(const Axis& axis, std::int64_t rest) {
  const std::int64_t common = std::gcd(axis.stride, axis.dilation);
  Phase phase;
  phase.apart = axis.stride / common;
  phase.dilation = axis.dilation / common;
  for (std::int64_t tap = 0; tap < std::min(axis.kernel, phase.apart); ++tap) {
    const std::int64_t its = tap * axis.dilation % axis.stride, taps = (axis.kernel - 1 - tap) / phase.apart + 1;
    if (its < rest) phase.before += taps;
    if (its == rest) phase.tap = tap, phase.taps = taps;
  }
  phase.first = ((rest - axis.padding) % axis.stride + axis.stride) % axis.stride;
  phase.count = phase.first < axis.in ? (axis.in - 1 - phase.first) / axis.stride + 1 : 0;
  const std::int64_t last_tap = phase.tap + (phase.taps - 1) * phase.apart;
  phase.from = reach(axis) + (phase.first + axis.padding - last_tap * axis.dilation) / axis.stride;
  return phase;
}

/// The weights as the phases read them: turned round by 180°, inputs and outputs exchanged. A group has its phases one after the
/// other, rows of the filter first; a phase is a matrix of panels of inputs, taps·(outputs of a group) rows long.
template <class T>
void flip_weights(const ConvStep& s, const Run<T>& run) {
  const Parameter& w = run.parameter_at(s.weight);
  const Axis axes[] = {axis_h(s), axis_w(s)};
  const std::int64_t kernel = w.kernel_h * w.kernel_w, per_group = s.out.c / s.conv.groups;
  const std::int64_t group_size = panels(w.in) * kPanel * kernel * per_group;
  run.share(s.conv.groups * kernel, per_group * w.in * 8, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t group = unit / kernel, k = unit % kernel, ky = k / w.kernel_w, kx = k % w.kernel_w;
      const Phase h = phase_of(axes[0], ky * axes[0].dilation % axes[0].stride);
      const Phase v = phase_of(axes[1], kx * axes[1].dilation % axes[1].stride);
      const std::int64_t row = h.taps - 1 - (ky - h.tap) / h.apart, column = v.taps - 1 - (kx - v.tap) / v.apart;
      T* to = run.partials + s.flipped + group * group_size;
      to += panels(w.in) * kPanel * per_group * (h.before * w.kernel_w + h.taps * v.before);
      to += (row * v.taps + column) * per_group * kPanel;
      run.kernels.transpose({.rows = w.in,
                             .cols = per_group,
                             .x = run.parameter(s.weight) + group * w.group_stride() + k * w.in * kPanel,
                             .x_panel = w.panel_stride(),
                             .y = to,
                             .y_panel = h.taps * v.taps * per_group * kPanel});
    }
  });
}

/// dy of one sample, before pooling, with zeros around it.
template <class T>
void with_margins(const ConvStep& s, const Run<T>& run, std::int64_t sample, T* spread, T* unpooled) {
  const Extent extent = run.at(s.y).extent;
  std::fill(spread, spread + s.spread.size(), T(0));
  const std::int64_t top = reach(axis_h(s)), left = reach(axis_w(s)), line = s.out.w * s.out.c;
  const std::int64_t units = units_of(s, extent), rows = s.pool ? s.pool->h : 1;
  for (std::int64_t unit = 0; unit < units; ++unit) {
    const std::int64_t at = sample * extent.size() + unit * extent.w * extent.c;
    const T* from = run.gradient(s.y) + at;
    if (s.pool) {
      run.kernels.max_pool_backward(*s.pool, from, run.winners + s.winners + at, unpooled);
      from = unpooled;
    }
    for (std::int64_t i = 0; i < rows; ++i)
      std::copy_n(from + i * line, line, spread + ((unit * rows + i + top) * s.spread.w + left) * s.out.c);
  }
}

/// The pixels of dx in one phase of each axis.
template <class T>
void phase_gradient(const ConvStep& s, const Run<T>& run, const Phase& h, const Phase& v, const T* spread, T* dx) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t per_group = s.out.c / s.conv.groups, spread_row = s.spread.w * s.out.c;
  const std::int64_t rows = h.taps * v.taps * per_group, group_size = panels(w.in) * kPanel * w.kernel_h * w.kernel_w * per_group;
  const Conv2d taps = {.kernel_h = h.taps, .kernel_w = v.taps, .dilation_h = h.dilation, .dilation_w = v.dilation};
  const FilterSegments filter(taps, per_group, spread_row, s.out.c);
  for (std::int64_t row = 0; row < h.count; ++row)
    for (std::int64_t group = 0; group < s.conv.groups; ++group) {
      Gemm<T> g;
      g.m = v.count;
      g.n = w.in;
      g.a = spread + (h.from + row) * spread_row + v.from * s.out.c + group * per_group;
      g.a_row = s.out.c;
      g.b = run.partials + s.flipped + group * group_size +
            panels(w.in) * kPanel * per_group * (h.before * w.kernel_w + h.taps * v.before);
      g.b_panel = rows * kPanel;
      g.c = dx + ((h.first + row * s.conv.stride_h) * s.in.w + v.first) * s.in.c + group * w.in;
      g.c_row = s.conv.stride_w * s.in.c;
      convolve_row(run, taps, filter, spread_row, s.out.c, g);
    }
}

}  // namespace

template <class T>
void input_gradient(const ConvStep& s, const Run<T>& run) {
  flip_weights(s, run);
  const Axis axes[] = {axis_h(s), axis_w(s)};
  const std::int64_t pixels_reached = s.out.h * s.out.w;
  run.share(run.rows, 2 * run.parameter_at(s.weight).rows() * s.out.c * pixels_reached,
            [&](std::int64_t begin, std::int64_t end, int member) {
              T* spread = run.member_scratch(member);
              T* unpooled = spread + aligned<float>(s.spread.size());
              for (std::int64_t sample = begin; sample < end; ++sample) {
                with_margins(s, run, sample, spread, unpooled);
                T* dx = run.gradient(s.x) + sample * s.in.size();
                for (std::int64_t y = 0; y < s.conv.stride_h; ++y)
                  for (std::int64_t x = 0; x < s.conv.stride_w; ++x) {
                    const Phase h = phase_of(axes[0], y), v = phase_of(axes[1], x);
                    if (h.count == 0 || v.count == 0) continue;
                    if (h.taps > 0 && v.taps > 0) {
                      phase_gradient(s, run, h, v, spread, dx);
                      continue;
                    }
                    for (std::int64_t row = 0; row < h.count; ++row)
                      for (std::int64_t column = 0; column < v.count; ++column)
                        std::fill_n(
                            dx + ((h.first + row * s.conv.stride_h) * s.in.w + v.first + column * s.conv.stride_w) * s.in.c,
                            s.in.c, T(0));
                  }
              }
            });
}

template void input_gradient(const ConvStep&, const Run<float>&);
template void input_gradient(const ConvStep&, const Run<double>&);

}  // namespace soma
