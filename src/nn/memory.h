// a resolved network + batch size → whether the memory of its plan can be had at all, before any of it is asked for.
#pragma once

#include <cstdint>

#include "nn/resolve.h"
#include "soma/error.h"

namespace soma {

/// Fails when parameters and values alone are more than the machine or a limit has: a file of a few bytes may promise any size.
[[nodiscard]] Result<void> check_memory(const ResolvedNetwork& network, std::int64_t max_batch, bool training);

}  // namespace soma
