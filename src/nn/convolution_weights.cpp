// images and dy → the gradients of a convolution's weights and bias: a matrix product, or a gather of the winners where it is
// pooled.
#include <algorithm>

#include "core/arena.h"
#include "nn/filter.h"

namespace soma {
namespace {

/// dW of a whole image, added to the piece's sums, which lie as the weights do.
template <class T>
void add_dense(const ConvStep& s, const Run<T>& run, const T* image, const T* dy, T* dw) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t image_row = s.padded.w * s.padded.c, per_group = s.out.c / s.conv.groups;
  const Runs runs(s.conv, w.in, s.in.c);
  Segments segments;
  for (std::int64_t group = 0; group < s.conv.groups; ++group) {
    Gemm<T> g;
    g.n = per_group;
    g.b = dy + group * per_group;
    g.b_row = s.out.c;
    g.b_panel = kPanel;
    g.depth = s.out.w;
    g.a_row = 1;
    g.a_col = s.conv.stride_w * s.in.c;
    g.c_row = kPanel;
    g.c_panel = w.panel_stride();
    g.accumulate = true;
    g.m = runs.depth;
    g.a_segments = segments.data();
    for (std::int64_t first = 0; first < s.out.h; first += kSegments) {
      g.segments = std::min(kSegments, s.out.h - first);
      for (std::int64_t i = 0; i < g.segments; ++i)
        segments[static_cast<std::size_t>(i)] = (first + i) * s.conv.stride_h * image_row;
      for (std::int64_t i = 0; i < runs.count; ++i) {
        g.a = image + group * w.in + runs.offset(i, s.conv, image_row, s.in.c);
        g.c = dw + group * w.group_stride() + i * runs.depth * kPanel;
        run.kernels.gemm(g);
      }
      g.b += g.segments * s.out.w * g.b_row;
    }
  }
}

/// Where the patches of a window's pixels lie among those of its row.
Segments window_positions(const ConvStep& s) {
  Segments positions;
  for (std::int64_t i = 0; i < s.pool->size_h * s.pool->size_w; ++i)
    positions[static_cast<std::size_t>(i)] = (i / s.pool->size_w * s.out.w + i % s.pool->size_w) * s.taps;
  return positions;
}

/// dW of one row of windows, added to the piece's sums, which lie in panels of taps: s.taps × channels for each group.
template <class T>
void add_winners(const ConvStep& s, const Run<T>& run, const FilterSegments& filter, const Segments& positions, const T* image,
                 std::int64_t unit, const T* dy, const std::uint16_t* winner, T* patches, T* dw) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t image_row = s.padded.w * s.padded.c, per_group = s.out.c / s.conv.groups;
  for (std::int64_t group = 0; group < s.conv.groups; ++group) {
    for (std::int64_t row = 0; row < s.pool->size_h; ++row)
      run.kernels.gather_patches({image + (unit * s.pool->size_h + row) * s.conv.stride_h * image_row + group * w.in,
                                  s.conv.stride_w * s.in.c, filter.offsets.data(), filter.runs.count, filter.runs.depth,
                                  patches + row * s.out.w * s.taps, s.taps, s.out.w});
    run.kernels.winner_gradient({s.pool->out_w, per_group, s.taps, dy + group * per_group, winner + group * per_group, s.out.c,
                                 patches, s.pool->size_w * s.taps, positions.data(), dw + group * per_group * s.taps,
                                 per_group * kPanel});
  }
}

/// Panels of taps → the weights' own panels of channels.
template <class T>
void turn_panels(const ConvStep& s, const Run<T>& run, const T* from, T* to) {
  const Parameter& w = run.parameter_at(s.weight);
  const std::int64_t per_group = s.out.c / s.conv.groups;
  for (std::int64_t group = 0; group < s.conv.groups; ++group)
    run.kernels.transpose({.rows = per_group,
                           .cols = w.rows(),
                           .x = from + group * per_group * s.taps,
                           .x_panel = per_group * kPanel,
                           .y = to + group * w.group_stride(),
                           .y_panel = w.panel_stride()});
}

}  // namespace

// Each piece of the batch sums its own dW and db; then the pieces are added in order. Pieces depend on the batch alone.
template <class T>
void weight_gradient(const ConvStep& s, const Run<T>& run) {
  const Parameter& w = run.parameter_at(s.weight);
  const Extent extent = run.at(s.y).extent;
  const std::int64_t chunks = std::min(s.chunks, run.rows);
  T* const pieces = run.partials + s.partial;
  const FilterSegments filter(s.conv, w.in, s.padded.w * s.padded.c, s.in.c);
  const Segments positions = s.pool ? window_positions(s) : Segments{};
  run.share(chunks, run.rows * forward_operations(s, w) / chunks, [&](std::int64_t begin, std::int64_t end, int member) {
    T* padded = run.member_scratch(member);
    T* scratch = padded + aligned<float>(s.padded.size());
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      T* dw = pieces + chunk * s.piece;
      T* db = dw + s.piece - aligned<float>(s.out.c);
      std::fill(dw, dw + s.piece, T(0));
      for (std::int64_t sample = run.rows * chunk / chunks; sample < run.rows * (chunk + 1) / chunks; ++sample) {
        const T* image = padded_image(s, run.value(s.x.value) + sample * s.in.size(), padded);
        const T* dy = run.gradient(s.y) + sample * extent.size();
        if (s.pool) {
          const std::uint16_t* winner = run.winners + s.winners + sample * extent.size();
          for (std::int64_t unit = 0; unit < extent.h; ++unit)
            add_winners(s, run, filter, positions, image, unit, dy + unit * extent.w * extent.c,
                        winner + unit * extent.w * extent.c, scratch, dw);
        } else {
          add_dense(s, run, image, dy, dw);
        }
        if (s.bias >= 0) run.kernels.sum_rows(dy, s.out.c, extent.h * extent.w, s.out.c, true, db);
      }
    }
  });
  constexpr std::int64_t kBlock = 1024;
  run.share((s.piece + kBlock - 1) / kBlock, chunks * kBlock, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t first = begin * kBlock, count = std::min(end * kBlock, s.piece) - first;
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk)
      run.kernels.add(pieces + first, pieces + chunk * s.piece + first, pieces + first, count);
  });
  const T* sum = pieces;
  T* dw = run.parameter_gradient(s.weight);
  if (s.pool) {
    T* turned = run.accumulate ? pieces + s.chunks * s.piece : dw;
    turn_panels(s, run, sum, turned);
    sum = turned;
  }
  if (run.accumulate)
    run.kernels.add(dw, sum, dw, w.size);
  else if (sum != dw)
    std::copy_n(sum, w.size, dw);
  if (s.bias < 0) return;
  const Parameter& b = run.parameter_at(s.bias);
  const T* db = pieces + s.piece - aligned<float>(s.out.c);
  for (std::int64_t o = 0; o < s.out.c; ++o) {
    T& to = run.parameter_gradient(s.bias)[b.place(o)];
    to = run.accumulate ? to + db[o] : db[o];
  }
}

template void weight_gradient(const ConvStep&, const Run<float>&);
template void weight_gradient(const ConvStep&, const Run<double>&);

}  // namespace soma
