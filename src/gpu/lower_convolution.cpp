// convolutions, pooled or not → three dispatches: images, the pieces of the weights' gradient, the images' gradient.
#include <algorithm>

#include "gpu/lowering.h"

namespace soma::gpu {

std::vector<std::uint32_t> Lowering::shape_of(const ConvStep& s, const Extent& y) {
  const Conv2d& c = s.conv;
  std::vector<std::uint32_t> constants;
  for (const std::int64_t each : {s.in.h,
                                  s.in.w,
                                  s.in.c,
                                  s.out.h,
                                  s.out.w,
                                  s.out.c,
                                  c.kernel_h,
                                  c.kernel_w,
                                  c.stride_h,
                                  c.stride_w,
                                  c.padding_h,
                                  c.padding_w,
                                  c.dilation_h,
                                  c.dilation_w,
                                  c.groups,
                                  std::int64_t{s.pool ? 1 : 0},
                                  s.pool ? s.pool->size_h : 1,
                                  s.pool ? s.pool->size_w : 1,
                                  y.h,
                                  y.w})
    constants.push_back(number(each));
  return constants;
}

void Lowering::forward(const ConvStep& s, std::int64_t) {
  const Extent y = of(s.y).extent;
  const std::int64_t tile_h = s.pool ? s.pool->size_h : 1, tile_w = s.pool ? s.pool->size_w : std::min<std::int64_t>(4, s.out.w);
  const Undo f = s.activation ? Undo{s.activation->kind, s.activation->alpha} : Undo{};
  std::vector<std::uint32_t> constants = shape_of(s, y);
  constants.insert(constants.end(),
                   {number(tile_h), number(tile_w), static_cast<std::uint32_t>(f.kind), bits(f.alpha), word(s.bias >= 0)});
  const std::int64_t quads = s.conv.groups * divided(s.out.c / s.conv.groups, 4);
  const std::int64_t tiles = s.pool ? y.h * y.w : s.out.h * divided(s.out.w, tile_w);
  threads(Shader::convolution, std::move(constants), tiles * quads,
          {value(s.x.value), parameter(s.weight), parameter(s.bias), value(s.y, true),
           s.pool ? place(Use::winners, s.winners, batch() * y.size(), true) : Range{}});
}

void Lowering::backward(const ConvStep& s, std::int64_t number_of_step) {
  constexpr std::int64_t kTaps = 32, kMostPieces = 256, kWindows = 6;  // of a thread
  const Extent y = of(s.y).extent;
  const Parameter& w = of_parameter(s.weight);
  const Range winners = s.pool ? place(Use::winners, s.winners, batch() * y.size()) : Range{};
  const std::int64_t blocks = divided(w.rows(), kTaps), taps = divided(w.rows(), blocks);
  const std::int64_t columns = panels(s.out.c / s.conv.groups) * kPanel, lanes = columns % 32 == 0 ? 32 : 16;
  const std::int64_t bias_at = whole_ranges(w.size), piece = bias_at + whole_ranges(s.conv.groups * columns);
  const std::int64_t pieces = std::clamp<std::int64_t>(batch() * y.h * y.w / (256 / lanes * kWindows), 1, kMostPieces);
  std::vector<std::uint32_t> constants = shape_of(s, y);
  constants.insert(constants.begin(), 256);
  std::vector<std::uint32_t> back = shape_of(s, y);
  constants.insert(constants.end(), {number(taps), number(lanes), number(pieces), number(piece), number(bias_at)});
  list_.push_back({Shader::convolution_weights,
                   std::move(constants),
                   {Axis{pieces, 0, 1}, Axis{blocks, 0, 1}, Axis{s.conv.groups * divided(columns, lanes), 0, 1}},
                   {value(s.x.value), gradient(s.y), winners, place(Use::pieces, number_of_step, pieces * piece, true)}});
  if (s.x.gradient >= 0) {
    const Undo f = undone_by(s.x);
    back.insert(back.end(), {static_cast<std::uint32_t>(f.kind), bits(f.alpha)});
    threads(Shader::convolution_back, std::move(back), s.in.h * s.in.w * s.conv.groups * divided(w.in, 4),
            {gradient(s.y), parameter(s.weight), winners, gradient(s.x, true),
             f.kind == Activation::Kind::identity ? Range{} : value(s.x.value)});
  }
  const Range from = place(Use::pieces, number_of_step, pieces * piece);
  update(s.weight, from, pieces, piece, w.size);
  if (s.bias >= 0) {
    const Range sums{from.arena, from.offset + bias_at, from.size - bias_at, false};
    update(s.bias, sums, pieces, piece, of_parameter(s.bias).size);
  }
}

}  // namespace soma::gpu
