// an int8 Model → its network compiled for prediction: rows in, rows out, bytes in between.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/int8.h"
#include "soma/model.h"

namespace soma {

/// As Network, for a model with a quantization. Creating it does all the work that can be done once; forward() then allocates
/// nothing. One thread may call it at a time. The result is the same bits on every instruction set up to the sums of the last
/// layer, whatever `threads` and the number of rows are.
class Int8Network {
 public:
  /// The kernels are those that go with select_kernels, or the ones given.
  [[nodiscard]] static Result<Int8Network> create(const Model& model, const NetworkOptions& options = {},
                                                  const Int8Kernels* kernels = nullptr);
  Int8Network(Int8Network&&) noexcept;
  Int8Network& operator=(Int8Network&&) noexcept;
  ~Int8Network();

  [[nodiscard]] std::int64_t input_size() const;
  [[nodiscard]] std::int64_t output_size() const;

  /// y [rows, output_size] from x [rows, input_size], images channels last, rows ≤ max_batch.
  void forward(const float* x, float* y, std::int64_t rows);

 private:
  struct State;
  explicit Int8Network(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace soma
