// architecture + batch size → Plan: the steps of one pass, where every value and parameter lies, and what was fused.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/kernels.h"
#include "soma/error.h"
#include "soma/network.h"

namespace soma {

/// Extents of a sample inside the network: channels last. A flat value is {1, 1, features}.
struct Extent {
  std::int64_t h = 1, w = 1, c = 1;
  [[nodiscard]] std::int64_t size() const { return h * w * c; }
  bool operator==(const Extent&) const = default;
};

/// One array of parameters: a published shape outside, an order that suits the kernels inside.
///
/// `panels` holds the published [out, in, kernel_h, kernel_w] as `groups` matrices of kernel_h·kernel_w·in rows and out/groups
/// columns in panels of 16 (kernels.h), zero beyond the columns. A linear layer behind a flatten has in = c and kernel = h × w,
/// which is exactly PyTorch's column order; without one kernel = 1 × 1. A bias has in = 1. `features` permutes {c, h, w} to
/// channels last.
struct Parameter {
  enum class Role { weight, bias, scale, shift, running_mean, running_variance };
  std::string name;
  Role role = Role::weight;
  Shape shape;
  std::size_t node = 0;
  bool in_panels = true;
  std::int64_t groups = 1, out = 1, in = 1, kernel_h = 1, kernel_w = 1;  // in_panels
  Extent features;                                                       // else
  std::int64_t offset = 0, size = 0;                                     // in the arena of parameters, padding included

  [[nodiscard]] bool trained() const { return role != Role::running_mean && role != Role::running_variance; }
  [[nodiscard]] std::int64_t rows() const { return in * kernel_h * kernel_w; }
  [[nodiscard]] std::int64_t panel_stride() const { return rows() * kPanel; }
  [[nodiscard]] std::int64_t group_stride() const { return panels(out / groups) * panel_stride(); }
  /// Where element `index` of the published array lies inside.
  [[nodiscard]] std::int64_t place(std::int64_t index) const;
  /// each(place(0)), each(place(1)), … without a division for every one.
  template <class F>
  void for_each_place(F&& each) const {
    if (!in_panels) {
      for (std::int64_t channel = 0; channel < features.c; ++channel)
        for (std::int64_t pixel = 0; pixel < features.h * features.w; ++pixel) each(pixel * features.c + channel);
      return;
    }
    const std::int64_t kernel = kernel_h * kernel_w;
    for (std::int64_t o = 0; o < out; ++o) {
      const std::int64_t first = place(o * rows());
      for (std::int64_t channel = 0; channel < in; ++channel)
        for (std::int64_t k = 0; k < kernel; ++k) each(first + (k * in + channel) * kPanel);
    }
  }
};

/// Indices into Plan::values and Plan::parameters.
using ValueId = int;
using ParameterId = int;

/// An activation between steps: its rows lie one after the other, extent.size() numbers each.
struct Value {
  Extent extent;
  std::int64_t offset = 0;  ///< in the arena of activations (and of gradients)
  bool wants_gradient = false;
};

/// One input of a step. Several steps reading one value write their gradients to different places; a ForkStep adds them up.
struct Input {
  ValueId value = -1;
  std::int64_t gradient = -1;  ///< offset in the arena of gradients; −1 = nobody wants it
};

struct LinearStep {
  Input x;
  ValueId y = -1;
  ParameterId weight = -1, bias = -1;
  std::int64_t in = 0, out = 0;
  std::optional<Activation> activation;     ///< fused: y = f(x·Wᵀ + b)
  std::int64_t block_panels = 0;            ///< panels of inputs whose weights, or gradients, are transposed at a time
  std::int64_t turned = -1;                 ///< dy, outputs × panels of samples, for dx; in the arena of partial sums
  std::vector<std::int64_t> panel_offsets;  ///< of the weights: where each panel of outputs begins
};

struct ConvStep {
  Input x;
  ValueId y = -1;
  ParameterId weight = -1, bias = -1;
  Conv2d conv;
  Extent in, out;                        ///< out: before pooling
  std::optional<PoolShape> pool;         ///< fused: windows that do not overlap, one row of windows at a time
  std::optional<Activation> activation;  ///< fused, applied last; with a pool it commutes with the maximum
  std::int64_t winners = -1;             ///< offset in the arena of winners
  std::int64_t chunks = 0;               ///< the batch is cut in so many pieces whose weight gradients are added in order
  std::int64_t taps = 0;                 ///< with a pool: rows of the filter, rounded up to whole panels
  std::int64_t piece = 0;                ///< numbers of one piece's gradients: weights, then bias
  std::int64_t partial = -1;             ///< offset of the pieces' gradients, and of one more, in the arena of partial sums
  std::int64_t flipped = -1;             ///< weights as the input gradient reads them, in the arena of partial sums
  Extent padded;                         ///< x with its padding; equal to `in` without any
  Extent spread;                         ///< dy with the margins that the input gradient reads
};

struct PoolStep {
  Input x;
  ValueId y = -1;
  Pool::Kind kind = Pool::Kind::max;
  PoolShape shape;
  std::int64_t winners = -1;
};

struct GlobalAverageStep {
  Input x;
  ValueId y = -1;
};

struct BatchNormStep {
  Input x;
  ValueId y = -1;
  ParameterId scale = -1, shift = -1, running_mean = -1, running_variance = -1;
  BatchNorm norm;
  std::int64_t rows_per_sample = 0, channels = 0;
  std::int64_t partial = -1;  ///< sums of kChunks pieces of the batch
  std::int64_t saved = -1;    ///< mean, 1/deviation, factor, offset of the batch: 4 × channels in the arena of partial sums
};

struct DropoutStep {
  Input x;
  ValueId y = -1;
  double rate = 0;
  bool alpha = false;
  std::uint32_t stream = 0;
  std::int64_t mask = -1;  ///< offset in the arena of masks
};

struct ActivationStep {
  Input x;
  ValueId y = -1;
  Activation activation;
};

struct SoftmaxStep {
  Input x;
  ValueId y = -1;
  bool log = false;
};

/// Channels last → the published {c, h, w} order, for a flatten whose readers care.
struct ReorderStep {
  Input x;
  ValueId y = -1;
};

struct AddStep {
  std::vector<Input> x;
  ValueId y = -1;
};

struct ConcatStep {
  std::vector<Input> x;
  ValueId y = -1;
};

/// Backward only: gradient of `value` = sum of the gradients its readers left.
struct ForkStep {
  ValueId value = -1;
  std::vector<std::int64_t> gradients;
};

using StepKind = std::variant<LinearStep, ConvStep, PoolStep, GlobalAverageStep, BatchNormStep, DropoutStep, ActivationStep,
                              SoftmaxStep, ReorderStep, AddStep, ConcatStep, ForkStep>;

struct Step {
  StepKind kind;
  std::size_t node = 0;  ///< the last node of the architecture that this step covers
};

/// What a plan's memory is laid out for.
enum class PlanFor {
  prediction,  ///< forward alone: input and output stay, what lies between shares memory
  inspection,  ///< forward alone: every value stays
  training,    ///< forward and backward
};

struct Plan {
  ResolvedNetwork network;
  std::int64_t max_batch = 0;
  PlanFor purpose = PlanFor::prediction;
  std::vector<Step> steps;
  std::vector<Value> values;  ///< values[0] is the network's input
  ValueId output = 0;
  std::vector<Parameter>
      parameters;  ///< in network order; in the arena: weights, then other trained ones, then running statistics
  std::int64_t weight_end = 0, trained_end = 0, parameter_end = 0;

  // Sizes of the arenas, in numbers.
  std::int64_t activations = 0, gradients = 0, partials = 0, masks = 0, winners = 0;
  std::int64_t scratch = 0;  ///< for each member of the team

  /// Ranges of the arena of parameters that a fused update leaves alone: [begin, end) of what is trained but no linear layer's
  /// weight, none across weight_end.
  struct Range {
    std::int64_t begin, end;
  };
  std::vector<Range> not_fused;
};

/// Rows of a weight gradient that are worked out before the optimizer takes them: 128 rows of two panels are 16 KiB.
inline constexpr std::int64_t kFusedRows = 128;

/// Numbers that every parameter's offset is a multiple of: 256 bytes, where a range of GPU memory may have to begin.
inline constexpr std::int64_t kParameterAlignment = 64;

/// Pieces that sums over a batch are cut into, whatever the number of threads: this fixes the order of summation.
inline constexpr std::int64_t kChunks = 16;

/// The value a step puts out; of a fork, the one whose gradient it sums.
ValueId written_value(const StepKind& step);

/// Calls visit(input) for each value that a step reads on its way forward.
template <class Kind, class Visit>
void for_each_input(Kind& step, Visit&& visit) {
  std::visit(
      [&](auto& kind) {
        if constexpr (requires { kind.x.value; })
          visit(kind.x);
        else if constexpr (requires { kind.x; })
          for (auto& input : kind.x) visit(input);
      },
      step);
}

/// Places the values of a plan that only runs forward so that those which are never wanted at the same time share memory.
void share_memory(Plan& plan);

/// Rows are at most max_batch. Whatever resolve() gives has a plan: fails only where there is not memory enough for it.
[[nodiscard]] Result<Plan> make_plan(ResolvedNetwork network, std::int64_t max_batch, PlanFor purpose);

/// Multiply-adds of one training step for one sample, counted as two and densely: y, dW, and dx where somebody wants it.
std::int64_t training_flops(const Plan& plan);
std::int64_t training_flops(const Plan& plan, const StepKind& step);

}  // namespace soma
