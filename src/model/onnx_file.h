// an ONNX file, and those that hold its arrays → its message in memory, whole.
#pragma once

#include <filesystem>
#include <string_view>

#include "model/onnx_proto.h"
#include "soma/error.h"
#include "soma/file.h"

namespace soma {

/// Checks what holds for every model: it is one, of a version that is known, of a usable size, and as soma wrote it or not of
/// soma's. Arrays in other files stay there.
[[nodiscard]] Result<void> parse_model(std::string_view bytes, std::string_view who, Changed changed, onnx::ModelProto& model);

/// The same, and arrays that lie in other files are fetched: from regular files beneath the model's own directory, reached
/// without links, and only as many bytes as their extents want. An array's place there is checked against the file's length.
[[nodiscard]] Result<void> read_model(const std::filesystem::path& file, Changed changed, onnx::ModelProto& model);

}  // namespace soma
