// this machine → what soma runs on: SIMD target, threads, version. The one place where SOMA_TARGET is read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"

namespace soma {

/// "0.1.0".
std::string_view version();

/// The SIMD targets usable here, best first; the last is "reference".
std::vector<std::string> targets();

/// The target in use: $SOMA_TARGET, else the best. An unknown or unusable name is an error that lists the usable ones.
[[nodiscard]] Result<std::string> target();

/// Whether the target in use has instructions for half precision (AVX512-FP16), as train.precision = "fp16" wants them; elsewhere
/// they are emulated: the same bits, slower than fp32.
bool native_half();

/// Cores this process may use: its affinity mask, or the processor quota of its container where that is less.
int available_threads();
/// Threads that may be asked for: more would only wait for each other.
inline constexpr int kMostThreads = 4096;

/// "AMD EPYC, 2 cores".
std::string machine();

/// What built this library: "g++ 12.2.0".
std::string_view compiler();

}  // namespace soma
