// an image → the same image in another size or number of channels; a scanned digit → what MNIST would have made of it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// Bytes [height, width, channels]; 1 channel is gray, 3 are red, green, blue.
struct Image {
  std::int64_t channels = 0, height = 0, width = 0;
  std::vector<std::uint8_t> pixels;
};

/// The image as {channels, height, width}: gray from colour by ITU-R BT.601 weights, then each axis by area averages when it
/// shrinks and by linear interpolation when it grows.
Image resized(const Image& image, const Shape& shape);

/// The image as {channels, height, width} by "stretch" (resized), "pad" (scaled to fit inside, black around it) or "crop" (scaled
/// to cover, the middle cut out).
Image fitted(const Image& image, const Shape& shape, std::string_view fit);

/// A digit on paper or on black → 28×28 white on black as MNIST was made (LeCun et al. 1998, section III.A): a bright border
/// means dark ink and is inverted; then, unless it is 28×28 already, the ink is cut out, scaled into 20×20 keeping its aspect and
/// placed with its centre of mass in the middle.
Image as_mnist(const Image& image);

/// Every image of a set of bytes brought to `shape`.
[[nodiscard]] Result<Dataset> fit_images(Dataset dataset, const Shape& shape);

}  // namespace soma
