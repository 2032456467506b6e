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

/// Cores this process may use (its affinity mask).
int available_threads();

/// "AMD EPYC, 2 cores".
std::string machine();

/// What built this library: "g++ 12.2.0".
std::string_view compiler();

}  // namespace soma
