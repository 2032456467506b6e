// an architecture as data → Network: shapes checked, memory laid out, fusions made once; then rows in, rows out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "soma/activation.h"
#include "soma/error.h"
#include "soma/tensor.h"

namespace soma {

/// How first weights are drawn. Fan-in counts the inputs of one output (for conv: channels/groups × kernel area).
/// Sources: He et al. 2015, Glorot & Bengio 2010, LeCun et al. 1998.
struct Init {
  enum class Kind {
    automatic,  ///< xavier, uniform, for linear layers that read the network's input through no other weights; he for all others
    he,         ///< variance 2 / fan_in
    xavier,     ///< variance 2 / (fan_in + fan_out)
    lecun,      ///< variance 1 / fan_in
    uniform,    ///< [min, max), biases too; the other kinds start them at 0
  };
  enum class Distribution { normal, uniform };
  Kind kind = Kind::automatic;
  Distribution distribution = Distribution::normal;
  double min = -1, max = 1;  ///< kind uniform only
  bool operator==(const Init&) const = default;
};

/// y = x·Wᵀ + b. x [in], W [out, in], b [out], y [out]. Wants a flat input.
struct Linear {
  std::int64_t out = 0;  ///< 0 = as many as the data has classes (or codes)
  bool bias = true;
  bool operator==(const Linear&) const = default;
};

/// Cross-correlation over {channels, height, width}. W [out, in/groups, kernel_h, kernel_w], b [out].
/// out_h = (h + 2·padding_h − dilation_h·(kernel_h − 1) − 1) / stride_h + 1, rounded down; the same for w.
struct Conv2d {
  std::int64_t out = 0;
  std::int64_t kernel_h = 0, kernel_w = 0;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t padding_h = 0, padding_w = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1;
  bool bias = true;
  bool operator==(const Conv2d&) const = default;
};

/// Windows of size_h × size_w. `max` ignores padding; `average` divides by the whole window, padding included.
/// Of equal maxima the first in row order wins.
struct Pool {
  enum class Kind { max, average };
  Kind kind = Kind::max;
  std::int64_t size_h = 2, size_w = 2;
  std::int64_t stride_h = 2, stride_w = 2;
  std::int64_t padding_h = 0, padding_w = 0;
  bool operator==(const Pool&) const = default;
};

/// {c, h, w} → {c, 1, 1}.
struct GlobalAveragePool {
  bool operator==(const GlobalAveragePool&) const = default;
};

/// y = (x − mean) / √(var + epsilon) · scale + shift, per channel or per feature (Ioffe & Szegedy 2015). Training uses the
/// batch's biased variance and moves the running mean and unbiased variance: running = (1 − momentum)·running + momentum·batch.
struct BatchNorm {
  double momentum = 0.1, epsilon = 1e-5;
  bool operator==(const BatchNorm&) const = default;
};

/// Training: zero with probability `rate`, the rest divided by 1 − rate. Otherwise the identity.
struct Dropout {
  double rate = 0.5;
  bool operator==(const Dropout&) const = default;
};

/// Dropout that keeps mean and variance of SELU activations (Klambauer et al. 2017).
struct AlphaDropout {
  double rate = 0.5;
  bool operator==(const AlphaDropout&) const = default;
};

/// {c, h, w} → {c·h·w} in that order, as PyTorch and ONNX flatten.
struct Flatten {
  bool operator==(const Flatten&) const = default;
};

/// The sum of two or more inputs of one shape.
struct Add {
  bool operator==(const Add&) const = default;
};

/// Two or more inputs one after the other along channels (or features).
struct Concat {
  bool operator==(const Concat&) const = default;
};

/// Over the features of a flat input: e^(x − max) / Σ, or its logarithm.
struct Softmax {
  bool log = false;
  bool operator==(const Softmax&) const = default;
};

using Layer = std::variant<Linear, Conv2d, Pool, GlobalAveragePool, BatchNorm, Dropout, AlphaDropout, Flatten, Add, Concat,
                           Activation, Softmax>;

/// One layer of a network. Without `inputs` it reads the node before it (the first one reads the network's input);
/// inputs name earlier nodes, or "input".
struct Node {
  std::string name;  ///< unique; "" = kind and position, as "conv2d1"
  Layer layer;
  std::vector<std::string> inputs;
  std::optional<Init> init;  ///< unset = the network's
  bool operator==(const Node&) const = default;
};

/// An architecture as data. The last node is the output.
struct NetworkSpec {
  Shape input;  ///< one preprocessed sample: {features} or {channels, height, width}
  std::vector<Node> nodes;
  Init init;
  bool operator==(const NetworkSpec&) const = default;
};

/// "conv2d", "max_pool", "leaky_relu": the word configs and tables use for a layer.
std::string layer_kind(const Layer& layer);

/// Names filled in, sizes of 0 replaced by `classes`, every shape worked out.
struct ResolvedNetwork {
  NetworkSpec spec;
  std::vector<Shape> shapes;  ///< output shape of each node
};

/// Checks that the shapes chain. The error names the layer, what it wanted and what it got.
[[nodiscard]] Result<ResolvedNetwork> resolve(NetworkSpec spec, std::int64_t classes = 0);

/// A row of `soma info`.
struct LayerSummary {
  std::string name, kind;
  Shape output;
  std::int64_t parameters = 0;
  std::int64_t flops = 0;         ///< forward, one sample, a multiply-add counted as two
  std::int64_t memory_bytes = 0;  ///< parameters and one sample's activations, fp32
};
[[nodiscard]] std::vector<LayerSummary> summarise(const ResolvedNetwork& network);

struct NetworkOptions {
  std::int64_t max_batch = 64;  ///< rows that one forward call may carry
  int threads = 0;              ///< 0 = all cores this process may use
  std::uint64_t seed = 1;       ///< of the first weights
};

/// A network compiled for prediction. Creating it does all the work that can be done once; forward() then allocates nothing.
/// One thread may call it at a time. The result does not depend on `threads`.
class Network {
 public:
  [[nodiscard]] static Result<Network> create(const NetworkSpec& spec, const NetworkOptions& options = {});
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  [[nodiscard]] const ResolvedNetwork& resolved() const;
  [[nodiscard]] std::int64_t input_size() const;
  [[nodiscard]] std::int64_t output_size() const;

  /// Parameters and running statistics in their published shapes ("conv2d1.weight" [out, in, kh, kw]), in network order.
  [[nodiscard]] std::vector<Tensor> parameters() const;

  /// Replaces all of them. Fails, changing nothing, when a name is missing or a shape differs.
  [[nodiscard]] Result<void> set_parameters(std::span<const Tensor> parameters);

  /// y [rows, output_size] from x [rows, input_size], images channels last, rows ≤ max_batch. Allocates nothing.
  void forward(const float* x, float* y, std::int64_t rows);

 private:
  struct State;
  explicit Network(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace soma
