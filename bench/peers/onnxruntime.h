// a model file and one sample → ONNX Runtime's answer, through the C interface of its shared library.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "soma/error.h"

namespace soma::bench {

/// A session on one thread whose input and output lie in memory given once: nothing is copied or allocated on the way.
struct OnnxSession {
  std::string version;  ///< "1.31.1"
  std::function<void()> run;
};

/// `library` is libonnxruntime.so, as the Python package carries it. x and y are float arrays of the given shapes, borrowed.
[[nodiscard]] Result<OnnxSession> onnx_session(const std::string& library, const std::string& model, std::vector<float>& x,
                                               const std::vector<std::int64_t>& x_shape, std::vector<float>& y,
                                               const std::vector<std::int64_t>& y_shape);

}  // namespace soma::bench
