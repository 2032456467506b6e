// JSON → the parts of an inference request as they were written, in one pass and without a tree.
#pragma once

#include <cstdint>
#include <memory_resource>
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
  std::vector<std::uint64_t> nesting;  ///< extents of "data" as it was nested: one for a flat list
  std::optional<std::uint64_t> binary_size;
  bool has_data = false, has_shape = false, shared_memory = false;
  // What kinds of values "data" had; numbers and booleans follow each other in the call's `values`, strings in its `words`.
  bool numbers = false, booleans = false, strings = false, fractions = false;
  std::int64_t least = 0;                            ///< of the whole numbers, as far as they are below zero
  std::uint64_t most = 0;                            ///< of those above
  bool beyond = false;                               ///< a whole number that neither holds
  bool infinite = false;                             ///< a number that the values' type cannot hold
  std::size_t first = 0, first_word = 0, count = 0;  ///< in `values`, or in `words` when all are strings
};

/// Strings one after the other.
struct JsonWords {
  explicit JsonWords(std::pmr::memory_resource* memory = std::pmr::get_default_resource()) : text(memory), ends(memory) {}
  std::pmr::string text;
  std::pmr::vector<std::size_t> ends;
  void clear() { text.clear(), ends.clear(); }
  void add(std::string_view word) { text.append(word), ends.push_back(text.size()); }
  [[nodiscard]] std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(text).substr(begin, ends[i] - begin);
  }
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

/// Strict JSON; unknown keys and parameters are passed over, known ones must be of their type and come once. All data goes to
/// `values` (float or double) or `words`, row-major, tensor after tensor; lists of one depth are all as long, and hold nothing
/// but lists or nothing but values.
template <class T>
[[nodiscard]] Result<void> parse_infer_json(std::string_view text, int depth, InferJson& request, std::pmr::vector<T>& values,
                                            JsonWords& words);

}  // namespace soma
