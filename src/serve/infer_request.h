// the bytes of an inference request → what it asks for, checked against the model: JSON, binary tensors, or one raw tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/budget.h"
#include "serve/engine.h"
#include "serve/infer_json.h"
#include "serve/tensor_data.h"
#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// What a client sees of a model: one input, one output, float32, any number of rows.
struct ModelFace {
  std::string name, version;
  Shape input;  ///< of one sample
  std::int64_t outputs = 0;
  std::vector<std::string> labels;                           ///< one per output, or none
  std::string input_name = "input", output_name = "output";  ///< as in the ONNX file
  std::vector<Column> columns;           ///< of a table, as files have them: BYTES tensors are [rows, columns]
  std::vector<std::int64_t> categories;  ///< of each value of a sample: how many words it may stand for, 0 = a number; none = all
  LossConfig loss;                       ///< how outputs are read
  DataOptions reading;                   ///< how samples are read from files and text
};

struct WantedOutput {
  std::optional<bool> binary;
  std::uint64_t classification = 0;  ///< > 0: the so many highest values with their classes
};

/// Reused from request to request: it keeps its memory.
struct InferRequest {
  explicit InferRequest(std::pmr::memory_resource* memory = std::pmr::get_default_resource()) : values(memory), words(memory) {}

  std::string id;
  WantedOutput output;
  bool binary_output = false;
  std::uint64_t timeout_us = 0;  ///< 0 = the server's

  std::int64_t rows = 0;
  Layout layout = Layout::floats;
  std::span<const std::byte> samples;  ///< in the body, or in `values`
  Floats values;                       ///< what JSON or another data type became
  JsonWords words;                     ///< the elements of a BYTES tensor
};

/// Most rows that one request may ask for, and how deep its JSON may be nested.
struct InferLimits {
  std::int64_t rows = std::int64_t{1} << 22;
  int depth = 64;
};

/// Whether the client wants numbers it can read, which must be finite: JSON or classes. Binary tensors pass through.
[[nodiscard]] bool wants_finite(const InferRequest& request);

/// Refuses floats that stand for no word where a column has words: anything but their places from 0 on, −1 for a word that was
/// never seen, and NaN for a gap. `rows` samples in the model's order; errors begin with `who`.
[[nodiscard]] Result<void> check_places(const ModelFace& model, std::string_view who, const std::byte* samples,
                                        std::int64_t rows);

/// `header_length` is the field Inference-Header-Content-Length, "" when it was not sent. Numbers are taken as the model's
/// float32; shapes are [rows, …the model's] or [rows, elements of one sample]; nested data is nested as one of those, or not at
/// all. `budget` counts what reading takes. The error's message is for the client.
[[nodiscard]] Result<void> read_infer_request(std::span<const std::byte> body, std::string_view header_length,
                                              const ModelFace& model, const InferLimits& limits, http::Budget& budget,
                                              InferRequest& request);

}  // namespace soma
