// TensorProto → TypedArray. Lengths are checked before anything is copied.
#include "graph/array.h"

#include <fmt/format.h>

#include <limits>

namespace soma {
namespace {

constexpr std::int64_t kMostElements = std::numeric_limits<std::int32_t>::max();

/// The elements of a typed field, which may be wider than the array's, at the array's width.
template <class T, class Field>
std::vector<std::byte> narrowed(const Field& field) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(field.size()) * sizeof(T));
  std::byte* to = bytes.data();
  for (const auto& each : field) {
    const T value = static_cast<T>(each);
    std::memcpy(to, &value, sizeof(T));
    to += sizeof(T);
  }
  return bytes;
}

std::vector<std::byte> typed_elements(const onnx::TensorProto& tensor, ElementType type) {
  switch (type) {
    case ElementType::f32:
      return narrowed<float>(tensor.float_data());
    case ElementType::f64:
      return narrowed<double>(tensor.double_data());
    case ElementType::i64:
      return narrowed<std::int64_t>(tensor.int64_data());
    case ElementType::u32:
      return narrowed<std::uint32_t>(tensor.uint64_data());
    case ElementType::u64:
      return narrowed<std::uint64_t>(tensor.uint64_data());
    default:
      break;
  }
  std::vector<std::byte> bytes;
  if (type == ElementType::f16 || type == ElementType::bf16) return narrowed<std::uint16_t>(tensor.int32_data());
  with_type<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t, bool>(
      type, [&]<class T>() { bytes = narrowed<T>(tensor.int32_data()); });
  return bytes;
}

}  // namespace

Result<TypedArray> read_tensor(const onnx::TensorProto& tensor) {
  const auto wrong = [&](std::string_view what) {
    return Error{Error::Kind::data, fmt::format("array '{}' {}", tensor.name(), what)};
  };
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0)
    return wrong("lies in another file, wanted it in the model's own");
  if (tensor.has_segment()) return wrong("comes in segments, wanted it whole; try exporting it again");
  const auto type = element_type(tensor.data_type());
  if (!type)
    return wrong(fmt::format("has elements of ONNX type {}, wanted whole or real numbers, bool or string", tensor.data_type()));
  TypedArray array{*type, Shape(tensor.dims().begin(), tensor.dims().end()), {}, {}};
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t extent : array.extents) {
    if (extent < 0 || (extent > 0 && count > kMostElements / extent))
      return wrong(fmt::format("has an extent of {}, wanted at most {} elements in all", extent, kMostElements));
    count *= std::max<std::int64_t>(extent, 1);
    empty = empty || extent == 0;
  }
  if (empty) count = 0;
  if (*type == ElementType::string) {
    array.strings.assign(tensor.string_data().begin(), tensor.string_data().end());
    if (static_cast<std::int64_t>(array.strings.size()) != count)
      return wrong(fmt::format("wanted {} elements for its extents, got {}", count, array.strings.size()));
    return array;
  }
  if (tensor.has_raw_data()) {
    const auto* first = reinterpret_cast<const std::byte*>(tensor.raw_data().data());
    array.bytes.assign(first, first + tensor.raw_data().size());
  } else {
    array.bytes = typed_elements(tensor, *type);
  }
  const std::size_t wanted = static_cast<std::size_t>(count) * element_bytes(*type);
  if (array.bytes.size() != wanted)
    return wrong(fmt::format("wanted {} bytes for its extents, got {}", wanted, array.bytes.size()));
  return array;
}

}  // namespace soma
