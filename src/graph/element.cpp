// element types → their sizes, names and numbers in ONNX.
#include "graph/element.h"

#include <array>

#include "soma/error.h"

namespace soma {
namespace {

struct Facts {
  std::string_view name;
  std::size_t bytes;
  std::int32_t onnx;
};

/// In the order of the enumeration.
constexpr std::array<Facts, 14> kFacts = {{{"float32", 4, 1},
                                           {"float64", 8, 11},
                                           {"float16", 2, 10},
                                           {"bfloat16", 2, 16},
                                           {"int8", 1, 3},
                                           {"int16", 2, 5},
                                           {"int32", 4, 6},
                                           {"int64", 8, 7},
                                           {"uint8", 1, 2},
                                           {"uint16", 2, 4},
                                           {"uint32", 4, 12},
                                           {"uint64", 8, 13},
                                           {"bool", 1, 9},
                                           {"string", 0, 8}}};

}  // namespace

std::string_view to_string(ElementType type) { return kFacts[static_cast<std::size_t>(type)].name; }

std::size_t element_bytes(ElementType type) { return kFacts[static_cast<std::size_t>(type)].bytes; }

std::optional<ElementType> element_type(std::int32_t onnx) {
  for (std::size_t i = 0; i < kFacts.size(); ++i)
    if (kFacts[i].onnx == onnx) return static_cast<ElementType>(i);
  return std::nullopt;
}

}  // namespace soma
