// a seed → a random integer program with ugly shapes and extreme numbers, and a sample for it.
#pragma once

#include <cstdint>
#include <vector>

#include "integer/program.h"

namespace soma::test {

IntegerProgram random_program(std::uint64_t seed);

/// Bytes, extreme ones often.
std::vector<std::uint8_t> random_bytes(std::uint64_t seed, std::int64_t count);

}  // namespace soma::test
