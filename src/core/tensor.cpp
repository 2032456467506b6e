// a shape → how many elements, and how a person reads it.
#include "soma/tensor.h"

#include <limits>

namespace soma {

std::int64_t elements(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape)
    if (__builtin_mul_overflow(product, extent, &product)) product = std::numeric_limits<std::int64_t>::max();
  return product;
}

std::string to_string(const Shape& shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : "×") + std::to_string(extent);
  return text.empty() ? "a single number" : text;
}

}  // namespace soma
