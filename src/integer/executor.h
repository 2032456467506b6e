// an IntegerProgram → its network compiled for prediction: rows of floats in, rows of floats out, bytes in between.
#pragma once

#include <cstdint>
#include <memory>

#include "integer/executor_plan.h"
#include "kernels/int8.h"
#include "soma/network.h"

namespace soma {

/// As Network, for a model with a quantization. Creating it does all the work that can be done once; forward() then allocates
/// nothing. One thread may call it at a time. The result is the same bits on every instruction set up to the sums of the last
/// layer, whatever `threads` and the number of rows are.
class IntegerExecutor {
 public:
  /// The kernels are those that go with select_kernels, or the ones given. Executors may share a plan: it has the weights.
  [[nodiscard]] static Result<IntegerExecutor> create(std::shared_ptr<const ExecutorPlan> plan,
                                                      const NetworkOptions& options = {}, const Int8Kernels* kernels = nullptr);
  [[nodiscard]] static Result<IntegerExecutor> create(IntegerProgram program, const NetworkOptions& options = {},
                                                      const Int8Kernels* kernels = nullptr);
  IntegerExecutor(IntegerExecutor&&) noexcept;
  IntegerExecutor& operator=(IntegerExecutor&&) noexcept;
  ~IntegerExecutor();

  [[nodiscard]] const ExecutorPlan& plan() const;
  [[nodiscard]] std::int64_t input_size() const { return plan().program.inputs(); }
  [[nodiscard]] std::int64_t output_size() const { return plan().program.outputs(); }

  /// y [rows, output_size] from x [rows, input_size], images channels last, rows ≤ max_batch.
  void forward(const float* x, float* y, std::int64_t rows);

 private:
  struct State;
  explicit IntegerExecutor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace soma
