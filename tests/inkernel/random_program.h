// a seed → a random integer program with ugly shapes and extreme numbers, and a sample for it.
#pragma once

#include <cstdint>
#include <vector>

#include "inkernel/layout.h"
#include "integer/program.h"
#include "soma/kernel.h"

namespace soma::test {

IntegerProgram random_program(std::uint64_t seed);

/// Bytes, extreme ones often.
std::vector<std::uint8_t> random_bytes(std::uint64_t seed, std::int64_t count);

/// Every value is the byte that it is.
bpf::InputTables plain_tables();
/// The bytes as values of a type, which those tables turn into the same bytes.
std::vector<std::uint8_t> values_of(ValueType type, const std::vector<std::uint8_t>& x);

}  // namespace soma::test
