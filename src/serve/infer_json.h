// JSON → the parts of an inference request as they were written, in one pass and without a tree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/tensor_data.h"
#include "soma/error.h"

namespace soma {

struct JsonTensor {
  std::string name, datatype;
  std::vector<std::uint64_t> shape;
  std::optional<std::uint64_t> binary_size;
  bool has_data = false, has_shape = false, shared_memory = false;
  // What kinds of values "data" had; numbers and booleans follow each other in the call's `values`.
  bool numbers = false, booleans = false, strings = false, fractions = false;
  double least = 0, most = 0;
  std::size_t first = 0, count = 0;  ///< in `values`
};

struct JsonOutput {
  std::string name;
  std::optional<bool> binary;
  std::uint64_t classification = 0;
  bool shared_memory = false;
};

struct InferJson {
  std::string id;
  std::vector<JsonTensor> inputs;
  std::vector<JsonOutput> outputs;
  bool has_inputs = false, binary_output = false;
  std::uint64_t timeout_us = 0;
};

/// Strict JSON; unknown keys and parameters are passed over. All data goes to `values`, row-major however it was nested.
[[nodiscard]] Result<void> parse_infer_json(std::string_view text, int depth, InferJson& request, Floats& values);

}  // namespace soma
