// a plan + memory + a team → a network that runs forward and backward: what training and prediction share.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/arena.h"
#include "core/team.h"
#include "nn/layers.h"
#include "nn/plan.h"
#include "soma/network.h"

namespace soma {

/// Owns the arenas of a plan; borrows kernels and team. After construction nothing here allocates but `published` and `set`.
template <class T>
class Net {
 public:
  Net(Plan plan, const Kernels<T>& kernels, Team& team);

  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] const Kernels<T>& kernels() const { return *kernels_; }
  [[nodiscard]] Team& team() const { return *team_; }
  [[nodiscard]] std::int64_t input_size() const { return plan_.values[0].extent.size(); }
  [[nodiscard]] std::int64_t output_size() const { return plan_.values[static_cast<std::size_t>(plan_.output)].extent.size(); }

  /// [max_batch, input_size], channels last: fill it, then call forward.
  [[nodiscard]] T* input() { return activations_.data(); }
  /// [max_batch, size of that value], channels last: what a step left there in the last forward.
  [[nodiscard]] const T* value(ValueId id) const { return activations_.data() + offset(id); }
  /// [max_batch, output_size]: what forward left, and where the loss leaves its gradient for backward.
  [[nodiscard]] T* output() { return activations_.data() + offset(plan_.output); }
  [[nodiscard]] T* output_gradient() { return gradients_.data() + offset(plan_.output); }

  /// How a training pass differs from a plain one: dropout draws from (seed, pass), batch norm uses and moves its statistics.
  struct Mode {
    bool training = false;
    std::uint64_t seed = 0, pass = 0;
  };
  /// With `seconds` (one number per step of the plan) each gets what its step took.
  void forward(std::int64_t rows, const Mode& mode, double* seconds = nullptr);
  /// After forward in the same mode. Adds to the parameter gradients when `accumulate`, else replaces them.
  /// With `update` the weights of linear layers, which are all but plan().not_fused, are changed on the way, and their gradients
  /// are not kept.
  void backward(std::int64_t rows, const Mode& mode, bool accumulate, double* seconds = nullptr,
                const FusedUpdate<T>* update = nullptr);

  /// The pass that forward and backward walk, for who wants to take its steps one by one. Valid as long as the net.
  Run<T> run(std::int64_t rows, const Mode& mode, bool accumulate);

  /// All parameters as one arena: [0, weight_end) penalised weights, [weight_end, trained_end) other trained ones, then
  /// statistics.
  [[nodiscard]] T* parameters() { return shared_ != nullptr ? shared_ : parameters_.data(); }
  [[nodiscard]] const T* parameters() const { return shared_ != nullptr ? shared_ : parameters_.data(); }
  /// From now on another network's of the same plan, which this one only reads (batch norm would write statistics). Its own are
  /// given back.
  void use_parameters(T* shared) {
    shared_ = shared;
    parameters_ = {};
  }
  [[nodiscard]] T* parameter_gradients() { return parameter_gradients_.data(); }

  /// An arena laid out as the parameters (weights, gradients, optimizer state) → published tensors in network order, and back.
  /// Only trained parameters when `trained_only`.
  [[nodiscard]] std::vector<Tensor> published(const T* arena, bool trained_only = false) const;
  [[nodiscard]] Result<void> set(T* arena, std::span<const Tensor> tensors, bool trained_only = false) const;

  /// Node whose output (in the last forward) is the first with a value that is not finite; −1 when there is none.
  [[nodiscard]] int first_not_finite(std::int64_t rows) const;

 private:
  [[nodiscard]] std::int64_t offset(ValueId id) const { return plan_.values[static_cast<std::size_t>(id)].offset; }

  Plan plan_;
  const Kernels<T>* kernels_;
  T* shared_ = nullptr;
  Team* team_;
  Block<T> activations_, gradients_, parameters_, parameter_gradients_, partials_, masks_, scratch_;
  Block<std::uint16_t> winners_;
};

}  // namespace soma
