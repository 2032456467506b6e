// a resolved network + batch size → whether the memory of its plan can be had at all, before any of it is asked for.
#include "nn/memory.h"

#include <fmt/format.h>

#include "core/memory_limit.h"
#include "soma/tensor.h"

namespace soma {

Result<void> check_memory(const ResolvedNetwork& network, std::int64_t max_batch, bool training) {
  // In floating point: the sum of what a hostile file promises may not fit 64 bits.
  double values = static_cast<double>(elements(network.spec.input)), parameters = 0;
  for (const Shape& shape : network.shapes) values += static_cast<double>(elements(shape));
  for (const ParameterShape& parameter : parameter_shapes(network)) parameters += static_cast<double>(elements(parameter.shape));
  const double copies = training ? 2 : 1;  // gradients
  const double bytes = copies * sizeof(float) * (values * static_cast<double>(max_batch) + parameters);
  const auto limit = static_cast<double>(memory_limit());
  if (bytes <= limit) return {};
  constexpr double kGigabyte = 1e9;
  return Error{Error::Kind::unavailable,
               fmt::format("network: wanted {:.1f} GB of memory for {} samples at a time, got a limit of {:.1f} "
                           "GB; try smaller batches or a smaller network",
                           bytes / kGigabyte, max_batch, limit / kGigabyte)};
}

}  // namespace soma
