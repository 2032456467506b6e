// the protocol's data types ↔ their names, sizes and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace soma {

/// Values of a request: how many is the client's choice, so their memory is counted.
using Floats = std::pmr::vector<float>;

/// The data types of the Open Inference Protocol, BF16 among them as Triton has it.
enum class DataType { boolean, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, bf16, fp32, fp64, bytes };

/// "FP32" → fp32.
std::optional<DataType> data_type(std::string_view name);
std::string_view name_of(DataType type);
/// Bytes of one element; 0 for BYTES, whose elements say their own.
std::size_t size_of(DataType type);

/// The smallest and largest value of an integer type, BOOL with 0 and 1 among them; nothing for the others.
struct Range {
  std::int64_t least = 0;
  std::uint64_t most = 0;
};
std::optional<Range> range_of(DataType type);

/// Little-endian elements of any alignment → floats, in order. `bytes` holds a whole number of them; not for BYTES.
void to_floats(DataType type, std::span<const std::byte> bytes, Floats& values);

/// The product of the extents, or nothing when it is beyond `limit`. An extent of 0 makes it 0.
std::optional<std::uint64_t> count_elements(std::span<const std::uint64_t> shape, std::uint64_t limit);

}  // namespace soma
