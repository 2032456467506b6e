// the protocol's data types ↔ their names, sizes and values.
#include "serve/tensor_data.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

namespace soma {
namespace {

struct Known {
  std::string_view name;
  std::size_t size;
};
constexpr std::array<Known, 14> kTypes = {{{"BOOL", 1},
                                           {"UINT8", 1},
                                           {"UINT16", 2},
                                           {"UINT32", 4},
                                           {"UINT64", 8},
                                           {"INT8", 1},
                                           {"INT16", 2},
                                           {"INT32", 4},
                                           {"INT64", 8},
                                           {"FP16", 2},
                                           {"BF16", 2},
                                           {"FP32", 4},
                                           {"FP64", 8},
                                           {"BYTES", 0}}};

template <class T>
Range range() {
  return {static_cast<std::int64_t>(std::numeric_limits<T>::min()), static_cast<std::uint64_t>(std::numeric_limits<T>::max())};
}

float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

/// IEEE 754 binary16.
float from_fp16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16, exponent = (bits >> 10) & 31U, fraction = bits & 1023U;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float small = static_cast<float>(fraction) * 0x1p-24F;  // zero and subnormals
  return sign != 0 ? -small : small;
}

template <class T, class Convert>
void convert(std::span<const std::byte> bytes, Floats& values, Convert&& f) {
  values.resize(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = f(value);
  }
}

template <class T>
void cast(std::span<const std::byte> bytes, Floats& values) {
  convert<T>(bytes, values, [](T value) { return static_cast<float>(value); });
}

}  // namespace

std::optional<DataType> data_type(std::string_view name) {
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<DataType>(i);
  return std::nullopt;
}

std::string_view name_of(DataType type) { return kTypes[static_cast<std::size_t>(type)].name; }

std::size_t size_of(DataType type) { return kTypes[static_cast<std::size_t>(type)].size; }

std::optional<Range> range_of(DataType type) {
  switch (type) {
    case DataType::boolean:
      return Range{0, 1};
    case DataType::uint8:
      return range<std::uint8_t>();
    case DataType::uint16:
      return range<std::uint16_t>();
    case DataType::uint32:
      return range<std::uint32_t>();
    case DataType::uint64:
      return range<std::uint64_t>();
    case DataType::int8:
      return range<std::int8_t>();
    case DataType::int16:
      return range<std::int16_t>();
    case DataType::int32:
      return range<std::int32_t>();
    case DataType::int64:
      return range<std::int64_t>();
    default:
      return std::nullopt;
  }
}

void to_floats(DataType type, std::span<const std::byte> bytes, Floats& values) {
  switch (type) {
    case DataType::boolean:
      return convert<std::uint8_t>(bytes, values, [](std::uint8_t b) { return b != 0 ? 1.0F : 0.0F; });
    case DataType::uint8:
      return cast<std::uint8_t>(bytes, values);
    case DataType::uint16:
      return cast<std::uint16_t>(bytes, values);
    case DataType::uint32:
      return cast<std::uint32_t>(bytes, values);
    case DataType::uint64:
      return cast<std::uint64_t>(bytes, values);
    case DataType::int8:
      return cast<std::int8_t>(bytes, values);
    case DataType::int16:
      return cast<std::int16_t>(bytes, values);
    case DataType::int32:
      return cast<std::int32_t>(bytes, values);
    case DataType::int64:
      return cast<std::int64_t>(bytes, values);
    case DataType::fp16:
      return convert<std::uint16_t>(bytes, values, from_fp16);
    case DataType::bf16:
      return convert<std::uint16_t>(bytes, values, from_bf16);
    case DataType::fp32:
      return cast<float>(bytes, values);
    case DataType::fp64:
      return cast<double>(bytes, values);
    case DataType::bytes:
      return values.clear();
  }
}

std::optional<std::uint64_t> count_elements(std::span<const std::uint64_t> shape, std::uint64_t limit) {
  if (std::find(shape.begin(), shape.end(), std::uint64_t{0}) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::uint64_t extent : shape) {
    if (extent > limit / count) return std::nullopt;
    count *= extent;
  }
  return count;
}

}  // namespace soma
