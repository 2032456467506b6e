// an ONNX file → Model, and what the file calls its input and output: for those who show them under these names.
#pragma once

#include <filesystem>
#include <string>

#include "soma/model.h"

namespace soma {

struct TensorNames {
  std::string input = "input", output = "output";  ///< soma's own files have these
};

/// read_onnx, and `names` as the file has them.
[[nodiscard]] Result<Model> read_onnx(const std::filesystem::path& file, Changed changed, TensorNames& names);

}  // namespace soma
