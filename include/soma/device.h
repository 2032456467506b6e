// this machine → what soma runs on: SIMD target, threads, version. The one place where SOMA_TARGET is read.
#pragma once

#include <cstdint>
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

/// A GPU that training may run on (train.device).
struct Gpu {
  std::string id;          ///< "gpu:0"
  std::string name, kind;  ///< kind: discrete, integrated, virtual, software, other
  std::string driver;
  std::int64_t memory_bytes = 0;  ///< free now, as its driver tells
  bool software = false;          ///< this processor plays a GPU: for tests
};

/// Those of this machine, in the order of its drivers; may be none. Fails, in one line, where this build or this machine has no
/// way to ask. `refused`: what others lack for training, in words.
[[nodiscard]] Result<std::vector<Gpu>> gpus(std::vector<std::string>* refused = nullptr);

/// Whether this build trains on GPUs at all; without, every request for one is refused.
bool built_with_gpu();

/// A small network trained for a step on a GPU, beside double precision on this processor.
struct GpuCheck {
  std::string name;
  bool sound = false;
  double error = 0;   ///< the largest, as a part of what rounding explains
  std::string fault;  ///< what was written that should not be; "" = nothing
};

/// Every shader in every mode on the GPU of that id, a network after the other. Fails where it cannot be opened or gets lost.
[[nodiscard]] Result<std::vector<GpuCheck>> check_gpu(std::string_view id);

/// Cores this process may use: its affinity mask, or the processor quota of its container where that is less.
int available_threads();
/// Threads that may be asked for: more would only wait for each other.
inline constexpr int kMostThreads = 4096;

/// "AMD EPYC, 2 cores".
std::string machine();

/// What built this library: "g++ 12.2.0".
std::string_view compiler();

}  // namespace soma
