// a shape and floats → a named array that owns its values: how parameters travel between network and file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace soma {

/// Extents, outermost first. A sample is {features} or {channels, height, width}; the batch is never part of it.
using Shape = std::vector<std::int64_t>;

/// The product of the extents, none of them negative; 1 for an empty shape, the greatest number there is when it does not fit.
std::int64_t elements(const Shape& shape);

/// "1×28×28".
std::string to_string(const Shape& shape);

/// A row-major array that owns its values: values.size() == elements(shape).
struct Tensor {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

}  // namespace soma
