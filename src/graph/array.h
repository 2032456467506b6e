// TensorProto, .npy → TypedArray, and arrays made of C++ values. Lengths are checked before anything is copied.
#pragma once

#include <cstring>
#include <string_view>
#include <vector>

#include "graph/element.h"
#include "model/onnx_proto.h"
#include "soma/graph.h"

namespace soma {

/// Fails on types soma does not know, arrays in other files, and bytes that are not as many as the extents say.
[[nodiscard]] Result<TypedArray> read_tensor(const onnx::TensorProto& tensor);

/// Bytes of an .npy file. Errors begin with `origin`.
[[nodiscard]] Result<TypedArray> parse_array(std::string_view bytes, std::string_view origin);

/// values.size() == elements(extents).
template <class T>
TypedArray array_of(Shape extents, const std::vector<T>& values) {
  TypedArray array{kTypeOf<T>, std::move(extents), std::vector<std::byte>(values.size() * sizeof(T)), {}};
  if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

}  // namespace soma
