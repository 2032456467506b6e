// pixels, weights → small pictures inside a page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/tensor.h"

namespace soma::report {

/// Bytes [height, width, channels]; 1 channel is gray, 3 are red, green, blue, 4 have opacity too.
struct Picture {
  std::int64_t channels = 0, height = 0, width = 0;
  std::vector<std::uint8_t> pixels;
};

/// "data:image/png;base64,…". Empty for a picture of no pixels, or of 2 or more than 4 channels.
std::string png_uri(const Picture& picture);

std::string base64(std::span<const std::uint8_t> bytes);

/// One sample {channels, height, width}, channels last, values from `low` to `high` → black to white (or colours, for 3).
/// Other numbers of channels show their mean.
Picture sample_picture(const Shape& shape, std::span<const float> values, float low, float high);

/// Weights [channels, height, width] → orange above 0, blue below, the more opaque the larger; `largest` is opaque. Three
/// channels are shown by their sum.
Picture weight_picture(const Shape& shape, std::span<const float> weights, float largest);

}  // namespace soma::report
