// a body of POST / and its Content-Type → samples of a model: a picture, raw values, an NPY file, rows of CSV or JSON, a form.
#pragma once

#include <memory_resource>
#include <span>
#include <string_view>
#include <vector>

#include "serve/budget.h"
#include "serve/engine.h"
#include "serve/infer_request.h"
#include "serve/tensor_data.h"
#include "soma/error.h"

namespace soma {

/// Where the samples lie: in the body itself, or in `bytes` or `floats`. Reused; what it holds is counted by its memory.
struct PlainSamples {
  explicit PlainSamples(std::pmr::memory_resource* memory) : bytes(memory), floats(memory) {}
  std::pmr::vector<std::byte> bytes;
  Floats floats;
  Layout layout = Layout::floats;
  const std::byte* data = nullptr;
  std::int64_t count = 0;
};

/// What a body is: its type says so when it names a form that is known here (image/png, image/jpeg, text/csv, application/json,
/// application/octet-stream, multipart/form-data). Any other type, and none, says nothing: then its first bytes do (PNG, JPEG,
/// NPY), then whether all of it is printable text, and last its length. Every value is finite, or a gap in a row that the model
/// fills. The error of a body that is none of these is of kind usage and as the service before this one worded it.
[[nodiscard]] Result<void> read_plain_body(std::span<const std::byte> body, std::string_view content_type, const ModelFace& model,
                                           http::Budget& budget, PlainSamples& samples);

/// Whether to read a body so takes long: by its length, or by the size of a picture in it.
[[nodiscard]] bool reads_long(std::span<const std::byte> body, std::string_view content_type);

}  // namespace soma
