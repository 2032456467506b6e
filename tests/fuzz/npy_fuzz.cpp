// any bytes → an NPY array, labels and samples, or errors.
#include <cstdint>
#include <string_view>

#include "data/arrays.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const soma::Result<soma::NpyArray> array = soma::parse_npy(bytes, "fuzz");
  if (array) SOMA_REQUIRE(soma::elements(array->extents) == std::ssize(array->bytes) + std::ssize(array->floats));
  const soma::Result<soma::NpyArray> labels = soma::parse_npy(bytes, "fuzz", true);
  if (labels) SOMA_REQUIRE(soma::elements(labels->extents) == std::ssize(labels->numbers) + std::ssize(labels->words));
  soma::DataOptions options;
  options.image_shape = {1, 2, 2};
  const soma::Result<soma::Dataset> samples = soma::npy_samples(bytes, "fuzz", options);
  if (samples) SOMA_REQUIRE(std::ssize(samples->bytes) + std::ssize(samples->floats) == samples->count * samples->sample_size());
  return 0;
}
