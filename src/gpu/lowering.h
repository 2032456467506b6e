// one step of a plan → its dispatches: what the files of this folder, one for each of src/nn's, share.
#pragma once

#include <bit>
#include <map>
#include <optional>
#include <utility>

#include "gpu/lower.h"

namespace soma::gpu {

inline std::uint32_t bits(double x) { return std::bit_cast<std::uint32_t>(static_cast<float>(x)); }
inline std::uint32_t number(std::int64_t x) { return static_cast<std::uint32_t>(x); }
inline std::uint32_t word(bool x) { return x ? 1 : 0; }
inline std::int64_t divided(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
inline std::int64_t whole_ranges(std::int64_t count) { return divided(count, kParameterAlignment) * kParameterAlignment; }

/// The activation fused into the step that wrote a value, which whoever writes the value's gradient undoes.
struct Undo {
  Activation::Kind kind = Activation::Kind::identity;
  double alpha = 0;
};

/// Places in the arena `work`, given out once and found again: all lists of dispatches of a program share them.
class Layout {
 public:
  explicit Layout(bool canaries) : gap_(canaries ? kParameterAlignment : 0) {}

  enum class Use { value, gradient, winners, mask, pieces, pieces_back, saved, sums, clip };
  /// What is nobody's behind a range of so many numbers.
  [[nodiscard]] std::int64_t guard(std::int64_t count) const { return gap_ == 0 ? 0 : whole_ranges(count) - count + gap_; }
  Place take(Use use, std::int64_t key, std::int64_t count) {
    const auto [found, fresh] = places_.try_emplace({use, key}, Place{end_, count});
    if (fresh) end_ += whole_ranges(count) + gap_;
    return found->second;
  }
  [[nodiscard]] std::int64_t end() const { return end_; }

 private:
  std::int64_t gap_;
  std::int64_t end_ = gap_;
  std::map<std::pair<Use, std::int64_t>, Place> places_;
};

/// Walks a plan and collects dispatches.
class Lowering {
 public:
  enum class Mode { evaluation, step, last_step };
  Lowering(const Plan& plan, const Settings& settings, Layout& layout, Mode mode);

  void gather();
  void forward();
  /// The loss, and where head() says so the layer below it.
  void loss();
  void backward();
  std::vector<Dispatch> take() { return std::move(list_); }

  [[nodiscard]] Range value(ValueId id, bool writes = false);
  [[nodiscard]] Range gradient(ValueId id, bool writes = false) { return gradient_at(of(id).offset, id, writes); }

 private:
  using Use = Layout::Use;
  [[nodiscard]] bool training() const { return mode_ != Mode::evaluation; }
  [[nodiscard]] bool clips() const { return settings_->clip_norm > 0; }
  [[nodiscard]] const Value& of(ValueId id) const { return plan_->values[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const Parameter& of_parameter(ParameterId id) const { return plan_->parameters[static_cast<std::size_t>(id)]; }
  [[nodiscard]] std::int64_t size(ValueId id) const { return of(id).extent.size(); }
  [[nodiscard]] std::int64_t batch() const { return plan_->max_batch; }

  [[nodiscard]] Range place(Use use, std::int64_t key, std::int64_t count, bool writes = false);
  [[nodiscard]] Range gradient_at(std::int64_t offset, ValueId id, bool writes);
  [[nodiscard]] Range gradient(const Input& x, bool writes = false) { return gradient_at(x.gradient, x.value, writes); }
  [[nodiscard]] Range parameter(ParameterId id, Arena arena = Arena::parameters, bool writes = false) const;

  /// What the writer of an input's gradient undoes on the way; undo() is a dispatch for those that cannot.
  [[nodiscard]] Undo undone_by(const Input& x) const;
  void undo(const Input& x);
  void undo(ValueId id);

  /// So many threads, 256 a workgroup: `per_sample` for each sample.
  void threads(Shader shader, std::vector<std::uint32_t> constants, std::int64_t per_sample, std::vector<Range> ranges);
  enum class Op : std::uint32_t;
  void elementwise(Op op, std::int64_t n, Undo f, Range a, Range b, Range d, Range y);
  /// pieces of the gradient of a parameter → the moved parameter. `pieces` 0: as many as rows.
  void update(ParameterId id, Range pieces, std::int64_t count, std::int64_t stride, std::int64_t n);
  void clipped_updates();
  [[nodiscard]] bool moves_at_once() const { return !clips(); }
  [[nodiscard]] bool keeps() const { return clips() || mode_ == Mode::last_step; }

  /// The last layer, when it is a linear one so small that one workgroup takes it, its loss and its input's gradient at once.
  [[nodiscard]] const LinearStep* head() const;
  void head(const LinearStep& step);
  [[nodiscard]] std::vector<std::uint32_t> constants_of_loss() const;

  void sum_pieces(std::int64_t pieces, std::int64_t n, bool back, Undo f, Range from, Range y, std::optional<Range> extra);

  // As in src/nn/layers.h: each step forward, and backward where training.
#define SOMA_LOWER_STEP(Kind)                          \
  void forward(const Kind& step, std::int64_t number); \
  void backward(const Kind& step, std::int64_t number);
  SOMA_LOWER_STEP(LinearStep)
  SOMA_LOWER_STEP(ConvStep)
  SOMA_LOWER_STEP(PoolStep)
  SOMA_LOWER_STEP(GlobalAverageStep)
  SOMA_LOWER_STEP(BatchNormStep)
  SOMA_LOWER_STEP(DropoutStep)
  SOMA_LOWER_STEP(ActivationStep)
  SOMA_LOWER_STEP(SoftmaxStep)
  SOMA_LOWER_STEP(ReorderStep)
  SOMA_LOWER_STEP(AddStep)
  SOMA_LOWER_STEP(ConcatStep)
  SOMA_LOWER_STEP(ForkStep)
#undef SOMA_LOWER_STEP
  void pool(const PoolShape& shape, bool average, bool back, Range from, Range to, std::optional<Range> winners);
  [[nodiscard]] static std::vector<std::uint32_t> shape_of(const ConvStep& step, const Extent& y);

  const Plan* plan_;
  const Settings* settings_;
  Layout* layout_;
  Mode mode_;
  std::vector<Undo> undone_;  // of each value
  std::vector<Dispatch> list_;
};

}  // namespace soma::gpu
