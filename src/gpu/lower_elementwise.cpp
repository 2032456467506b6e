// values → values of the same size, joined or copied, and pooled images: a thread for each number.
#include <cmath>

#include "core/random.h"
#include "gpu/lowering.h"

namespace soma::gpu {
// As shaders/elementwise.comp numbers them.
enum class Lowering::Op : std::uint32_t { activate, activate_back, add, multiply, copy };

void Lowering::elementwise(Op op, std::int64_t n, Undo f, Range a, Range b, Range d, Range y) {
  threads(Shader::elementwise, {static_cast<std::uint32_t>(op), number(n), static_cast<std::uint32_t>(f.kind), bits(f.alpha)}, n,
          {a, b, d, y});
}

// In place.
void Lowering::undo(ValueId id) {
  const Undo f = undone_[static_cast<std::size_t>(id)];
  if (f.kind == Activation::Kind::identity) return;
  elementwise(Op::activate_back, size(id), f, value(id), value(id), gradient(id), gradient(id, true));
}

void Lowering::undo(const Input& x) {
  if (x.gradient == of(x.value).offset) undo(x.value);
}

void Lowering::forward(const ActivationStep& s, std::int64_t) {
  elementwise(Op::activate, size(s.y), {s.activation.kind, s.activation.alpha}, value(s.x.value), {}, {}, value(s.y, true));
}

void Lowering::backward(const ActivationStep& s, std::int64_t) {
  if (s.x.gradient < 0) return;
  elementwise(Op::activate_back, size(s.y), {s.activation.kind, s.activation.alpha}, value(s.x.value), value(s.y), gradient(s.y),
              gradient(s.x, true));
  undo(s.x);
}

void Lowering::forward(const SoftmaxStep& s, std::int64_t) {
  threads(Shader::softmax, {number(size(s.y)), word(s.log), 0}, 1, {value(s.x.value), {}, value(s.y, true)});
}

void Lowering::backward(const SoftmaxStep& s, std::int64_t) {
  if (s.x.gradient < 0) return;
  threads(Shader::softmax, {number(size(s.y)), word(s.log), 1}, 1, {value(s.y), gradient(s.y), gradient(s.x, true)});
  undo(s.x);
}

// The numbers of src/nn/elementwise.cpp.
void Lowering::forward(const DropoutStep& s, std::int64_t) {
  if (!training()) return elementwise(Op::copy, size(s.y), {}, value(s.x.value), {}, {}, value(s.y, true));
  const double saturation = s.alpha ? -1.7580993408473766 : 0;
  const double a = s.alpha ? 1 / std::sqrt((1 - s.rate) * (1 + s.rate * saturation * saturation)) : 1 / (1 - s.rate);
  const double b = -a * s.rate * saturation;
  threads(Shader::dropout,
          {number(size(s.y)), number(batch()), static_cast<std::uint32_t>(settings_->seed),
           static_cast<std::uint32_t>(settings_->seed >> 32), stream(Stream::dropout, s.stream),
           static_cast<std::uint32_t>(s.rate * 0x1p32), bits(a), bits(b), bits(a * saturation + b)},
          divided(size(s.y), 4),
          {{Arena::start, 0, 4, false}, value(s.x.value), value(s.y, true), place(Use::mask, s.mask, batch() * size(s.y), true)});
}

void Lowering::backward(const DropoutStep& s, std::int64_t) {
  if (s.x.gradient < 0) return;
  elementwise(Op::multiply, size(s.y), {}, gradient(s.y), place(Use::mask, s.mask, batch() * size(s.y)), {}, gradient(s.x, true));
  undo(s.x);
}

void Lowering::forward(const ReorderStep& s, std::int64_t) {
  threads(Shader::move, {number(size(s.y)), number(of(s.x.value).extent.c), 0, 0, 0}, size(s.y),
          {value(s.x.value), value(s.y, true)});
}

void Lowering::backward(const ReorderStep& s, std::int64_t) {
  if (s.x.gradient < 0) return;
  threads(Shader::move, {number(size(s.y)), number(of(s.x.value).extent.c), 0, 0, 1}, size(s.y),
          {gradient(s.y), gradient(s.x, true)});
  undo(s.x);
}

void Lowering::forward(const AddStep& s, std::int64_t) {
  elementwise(Op::add, size(s.y), {}, value(s.x[0].value), value(s.x[1].value), {}, value(s.y, true));
  for (std::size_t i = 2; i < s.x.size(); ++i)
    elementwise(Op::add, size(s.y), {}, value(s.x[i].value), value(s.y), {}, value(s.y, true));
}

void Lowering::backward(const AddStep& s, std::int64_t) {
  for (const Input& x : s.x) {
    if (x.gradient < 0) continue;
    elementwise(Op::copy, size(s.y), {}, gradient(s.y), {}, {}, gradient(x, true));
    undo(x);
  }
}

void Lowering::forward(const ConcatStep& s, std::int64_t) {
  std::int64_t offset = 0;
  const Extent to = of(s.y).extent;
  for (const Input& x : s.x) {
    const std::int64_t width = to.h * to.w == 1 ? size(x.value) : of(x.value).extent.c;
    Range part = value(s.y, true);
    part.weave = s.y + 1;
    threads(Shader::move, {number(size(x.value)), number(width), number(to.c), number(offset), 0}, size(x.value),
            {value(x.value), part});
    offset += width;
  }
}

void Lowering::backward(const ConcatStep& s, std::int64_t) {
  std::int64_t offset = 0;
  const Extent to = of(s.y).extent;
  for (const Input& x : s.x) {
    const std::int64_t width = to.h * to.w == 1 ? size(x.value) : of(x.value).extent.c;
    if (x.gradient >= 0) {
      threads(Shader::move, {number(size(x.value)), number(width), number(to.c), number(offset), 1}, size(x.value),
              {gradient(s.y), gradient(x, true)});
      undo(x);
    }
    offset += width;
  }
}

void Lowering::forward(const ForkStep&, std::int64_t) {}

void Lowering::backward(const ForkStep& s, std::int64_t) {
  const auto part = [&](std::size_t i) { return gradient_at(s.gradients[i], s.value, false); };
  elementwise(Op::add, size(s.value), {}, part(0), part(1), {}, gradient(s.value, true));
  for (std::size_t i = 2; i < s.gradients.size(); ++i)
    elementwise(Op::add, size(s.value), {}, part(i), gradient(s.value), {}, gradient(s.value, true));
  undo(s.value);
}

void Lowering::pool(const PoolShape& p, bool average, bool back, Range from, Range to, std::optional<Range> winners) {
  std::vector<std::uint32_t> constants = {word(back), word(average)};
  for (const std::int64_t each :
       {p.h, p.w, p.c, p.out_h, p.out_w, p.size_h, p.size_w, p.stride_h, p.stride_w, p.padding_h, p.padding_w})
    constants.push_back(number(each));
  threads(Shader::pool, std::move(constants), p.c * (back ? p.h * p.w : p.out_h * p.out_w),
          {from, to, winners.value_or(Range{})});
}

void Lowering::forward(const PoolStep& s, std::int64_t) {
  const bool average = s.kind == Pool::Kind::average;
  pool(s.shape, average, false, value(s.x.value), value(s.y, true),
       average ? std::nullopt : std::optional(place(Use::winners, s.winners, batch() * size(s.y), true)));
}

void Lowering::backward(const PoolStep& s, std::int64_t) {
  if (s.x.gradient < 0) return;
  const bool average = s.kind == Pool::Kind::average;
  pool(s.shape, average, true, gradient(s.y), gradient(s.x, true),
       average ? std::nullopt : std::optional(place(Use::winners, s.winners, batch() * size(s.y))));
  undo(s.x);
}

namespace {

PoolShape whole_image(const Extent& e) { return {e.h, e.w, e.c, 1, 1, e.h, e.w, 1, 1, 0, 0}; }

}  // namespace

void Lowering::forward(const GlobalAverageStep& s, std::int64_t) {
  pool(whole_image(of(s.x.value).extent), true, false, value(s.x.value), value(s.y, true), std::nullopt);
}

void Lowering::backward(const GlobalAverageStep& s, std::int64_t) {
  if (s.x.gradient < 0) return;
  pool(whole_image(of(s.x.value).extent), true, true, gradient(s.y), gradient(s.x, true), std::nullopt);
  undo(s.x);
}

void Lowering::forward(const BatchNormStep& s, std::int64_t number_of_step) {
  const Range saved = place(Use::saved, number_of_step, 4 * s.channels, true);
  Range read = saved;
  read.writes = false;
  list_.push_back(
      {Shader::norm_sums,
       {256, number(s.channels), number(s.rows_per_sample), 0, word(training()), bits(s.norm.momentum), bits(s.norm.epsilon), 0},
       {Axis{s.channels, 0, 16}, {}, {}},
       {value(s.x.value),
        {},
        parameter(s.scale),
        parameter(s.shift),
        parameter(s.running_mean, Arena::parameters, training()),
        parameter(s.running_variance, Arena::parameters, training()),
        saved,
        {}}});
  threads(Shader::norm_apply, {number(s.channels), number(s.rows_per_sample), 0, 0}, size(s.y),
          {value(s.x.value), {}, read, {}, value(s.y, true)});
}

void Lowering::backward(const BatchNormStep& s, std::int64_t number_of_step) {
  const std::int64_t shift_at = whole_ranges(s.channels);
  const Range saved = place(Use::saved, number_of_step, 4 * s.channels);
  Range sums = place(Use::sums, number_of_step, 2 * shift_at, true);
  list_.push_back({Shader::norm_sums,
                   {256, number(s.channels), number(s.rows_per_sample), 1, 1, 0, 0, number(shift_at)},
                   {Axis{s.channels, 0, 16}, {}, {}},
                   {value(s.x.value), gradient(s.y), {}, {}, {}, {}, saved, sums}});
  sums.writes = false;
  if (s.x.gradient >= 0) {
    threads(Shader::norm_apply, {number(s.channels), number(s.rows_per_sample), 1, number(shift_at)}, size(s.y),
            {value(s.x.value), gradient(s.y), saved, sums, gradient(s.x, true)});
    undo(s.x);
  }
  update(s.scale, {sums.arena, sums.offset, shift_at, false}, 1, shift_at, s.channels);
  update(s.shift, {sums.arena, sums.offset + shift_at, shift_at, false}, 1, shift_at, s.channels);
}

}  // namespace soma::gpu
