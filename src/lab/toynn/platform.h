// weights + rows → one way of running ToyNeuralNet: gradient descent and prediction, batch by batch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "soma/error.h"

namespace soma {

/// A linear layer and the sigmoid behind it: weight [out, in], bias [out].
struct ToyLayer {
  std::int64_t in = 0, out = 0;
  std::vector<float> weight, bias;
};
using ToyLayers = std::vector<ToyLayer>;

/// x [count, features] with one target in [0, 1] each.
struct ToyRows {
  std::int64_t count = 0, features = 0;
  std::vector<float> x, target;
};

/// Sigmoid everywhere, squared error, plain gradient descent: w −= rate·∂/∂w of the mean of (y − target)² over the batch.
class ToyPlatform {
 public:
  virtual ~ToyPlatform() = default;

  /// One step on rows [first, first + rows), rows ≤ the batch it was made for.
  virtual void train(std::int64_t first, std::int64_t rows) = 0;
  /// y [rows].
  virtual void predict(std::int64_t first, std::int64_t rows, float* y) = 0;
  [[nodiscard]] virtual ToyLayers layers() const = 0;
};

/// What a platform is made for. The rows must outlive it.
struct ToyJob {
  const ToyLayers& layers;
  const ToyRows& rows;
  std::int64_t batch = 1;
  double rate = 0.005;
};

/// A list of numbers per row of a matrix, and plain loops.
std::unique_ptr<ToyPlatform> make_lists(const ToyJob& job);
/// The same loops over one array per matrix.
std::unique_ptr<ToyPlatform> make_arrays(const ToyJob& job);
/// The same with the products of a BLAS that is found at run time. Without one: unavailable, and why.
Result<std::unique_ptr<ToyPlatform>> make_blas(const ToyJob& job);
/// "libopenblas.so.0 (OpenBLAS 0.3.21 …)", or "" without one.
std::string blas_name();

}  // namespace soma
