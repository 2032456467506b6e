// any bytes → a picture or an error, and from a picture a digit and a resized one.
#include <cstdint>
#include <string_view>

#include "data/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const soma::Result<soma::Image> image = soma::decode_image({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!image) return 0;
  SOMA_REQUIRE(std::ssize(image->pixels) == image->channels * image->height * image->width);
  if (image->pixels.size() > 1U << 16) return 0;
  SOMA_REQUIRE(soma::as_mnist(*image).pixels.size() == 784);
  SOMA_REQUIRE(soma::resized(*image, {3, 5, 7}).pixels.size() == 105);
  return 0;
}
