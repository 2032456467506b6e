// one step of a plan + the arenas → the step done: forward next to backward for every layer.
#pragma once

#include <cstdint>
#include <utility>

#include "core/random.h"
#include "core/team.h"
#include "kernels/kernels.h"
#include "nn/plan.h"

namespace soma {

/// One optimizer step for the weights of linear layers, taken block by block where their gradient is worked out, while it is in
/// the first-level cache: it never reaches memory. The same bits as a gradient kept and used later.
template <class T>
struct FusedUpdate {
  Update<T> numbers;
  T *state0 = nullptr, *state1 = nullptr;  ///< laid out as the parameters; null where the optimizer keeps none
};

/// Everything a step works on during one pass. Borrows all of it.
template <class T>
struct Run {
  const Plan& plan;
  const Kernels<T>& kernels;
  Team& team;
  T *activations, *gradients, *parameters, *parameter_gradients, *partials, *masks, *scratch;
  std::uint16_t* winners;
  std::int64_t rows = 0;                   ///< samples in this pass, ≤ plan.max_batch
  bool training = false;                   ///< dropout on, batch norm on the batch's own statistics
  bool accumulate = false;                 ///< add to the parameter gradients instead of replacing them
  std::uint64_t seed = 0;                  ///< of dropout
  std::uint64_t pass = 0;                  ///< number of the training pass: dropout draws anew in each
  const FusedUpdate<T>* update = nullptr;  ///< not with `accumulate`

  const Value& at(ValueId id) const { return plan.values[static_cast<std::size_t>(id)]; }
  const Parameter& parameter_at(ParameterId id) const { return plan.parameters[static_cast<std::size_t>(id)]; }
  std::int64_t size(ValueId id) const { return at(id).extent.size(); }  ///< of one sample
  T* value(ValueId id) const { return activations + at(id).offset; }
  T* gradient(ValueId id) const { return gradients + at(id).offset; }
  T* gradient(const Input& input) const { return input.gradient < 0 ? nullptr : gradients + input.gradient; }
  T* parameter(ParameterId id) const { return id < 0 ? nullptr : parameters + parameter_at(id).offset; }
  T* parameter_gradient(ParameterId id) const { return id < 0 ? nullptr : parameter_gradients + parameter_at(id).offset; }
  T* member_scratch(int member) const { return scratch + member * plan.scratch; }

  /// Shares `count` units over the team; alone when the whole is below about 20 µs of one core, where a barrier costs more.
  template <class F>
  void share(std::int64_t count, std::int64_t operations_per_unit, F&& f) const {
    if (count * operations_per_unit < 200000 && !team.hands_out_all()) {
      if (count > 0) f(std::int64_t{0}, count, 0);
    } else {
      team.share(count, std::forward<F>(f));
    }
  }
};

#define SOMA_DECLARE_STEP(Kind)                      \
  template <class T>                                 \
  void forward(const Kind& step, const Run<T>& run); \
  template <class T>                                 \
  void backward(const Kind& step, const Run<T>& run);

SOMA_DECLARE_STEP(LinearStep)
SOMA_DECLARE_STEP(ConvStep)
SOMA_DECLARE_STEP(PoolStep)
SOMA_DECLARE_STEP(GlobalAverageStep)
SOMA_DECLARE_STEP(BatchNormStep)
SOMA_DECLARE_STEP(DropoutStep)
SOMA_DECLARE_STEP(ActivationStep)
SOMA_DECLARE_STEP(SoftmaxStep)
SOMA_DECLARE_STEP(ReorderStep)
SOMA_DECLARE_STEP(AddStep)
SOMA_DECLARE_STEP(ConcatStep)
SOMA_DECLARE_STEP(ForkStep)
#undef SOMA_DECLARE_STEP

/// Both precisions of one step; at the end of the file that defines it.
#define SOMA_INSTANTIATE_STEP(Kind)                       \
  template void forward(const Kind&, const Run<float>&);  \
  template void backward(const Kind&, const Run<float>&); \
  template void forward(const Kind&, const Run<double>&); \
  template void backward(const Kind&, const Run<double>&);

/// The two products of a linear layer's backward pass alone: dW (+)= dyᵀ·x and dx = dy·W.
template <class T>
void weight_gradient(const LinearStep& step, const Run<T>& run);
template <class T>
void input_gradient(const LinearStep& step, const Run<T>& run);

/// dy ← dy·f'(y), in place, for an activation fused into the step that wrote y. All members.
template <class T>
void undo_activation(const std::optional<Activation>& f, ValueId y, const Run<T>& run) {
  if (!f) return;
  const std::int64_t size = run.size(y);
  run.share(run.rows, size * 4, [&](std::int64_t begin, std::int64_t end, int) {
    T* dy = run.gradient(y) + begin * size;
    run.kernels.activate_backward(*f, nullptr, run.value(y) + begin * size, dy, dy, (end - begin) * size);
  });
}

}  // namespace soma
