// a preset → how long one image waits for its answer, in soma and in ONNX Runtime.
#pragma once

#include <string>
#include <vector>

#include "soma/error.h"

namespace soma::bench {

struct Latency {
  std::string contender;
  std::vector<double> p50, p99;  ///< seconds, of the calls of each round
};

/// The network of the preset with random weights on one thread, 1000 calls a turn; the ONNX file is the one soma writes.
/// Fails when the two answers differ.
[[nodiscard]] Result<std::vector<Latency>> measure_latency(const std::string& preset, const std::string& onnxruntime, int rounds,
                                                           std::string& onnxruntime_version);

}  // namespace soma::bench
