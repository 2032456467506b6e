// shape + seed → a layer of the Go service: plain loops for each output, outputs in slices of slices; and the same layer for
// soma.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

#include "lab/go_service/strategy.h"
#include "soma/network.h"

namespace soma {

/// One layer with weights, bias and one input drawn from a seed. Values lie as in Go: a slice per row, channel and image.
class ServiceLayer {
 public:
  virtual ~ServiceLayer() = default;

  /// One call of the service: output slices taken from `memory`, filled by the strategy. `y`, when given, receives the values
  /// in the order {channel, row, column}.
  virtual void forward(Strategy& strategy, std::int64_t batch, std::pmr::memory_resource* memory,
                       std::vector<float>* y = nullptr) const = 0;

  [[nodiscard]] virtual std::int64_t outputs() const = 0;
  [[nodiscard]] virtual std::int64_t terms() const = 0;  ///< products summed up for one output

  /// The same layer as soma knows it.
  [[nodiscard]] virtual NetworkSpec spec() const = 0;
  [[nodiscard]] virtual std::vector<float> weights() const = 0;  ///< published order
  [[nodiscard]] virtual std::vector<float> bias() const = 0;
  [[nodiscard]] virtual std::vector<float> input() const = 0;  ///< channels last
};

/// x [in] → y [out].
std::unique_ptr<ServiceLayer> make_service_linear(std::int64_t in, std::int64_t out);
/// x [in, side, side] → y [out, side − kernel + 1, side − kernel + 1].
std::unique_ptr<ServiceLayer> make_service_conv(std::int64_t in, std::int64_t side, std::int64_t out, std::int64_t kernel);

}  // namespace soma
