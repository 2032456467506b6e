// pixels, weights → small pictures inside a page.
#include "report/picture.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace soma::report {
namespace {

/// NaN is 0.
std::uint8_t byte_of(double share) { return static_cast<std::uint8_t>(share > 0 ? std::lround(255 * std::min(share, 1.0)) : 0); }

}  // namespace

std::string base64(std::span<const std::uint8_t> bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t j) { return i + j < bytes.size() ? static_cast<unsigned>(bytes[i + j]) : 0U; };
    const unsigned three = at(0) << 16U | at(1) << 8U | at(2);
    for (unsigned j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[three >> (18 - 6 * j) & 63U];
  }
  return text;
}

std::string png_uri(const Picture& picture) {
  const bool known = picture.channels == 1 || picture.channels == 3 || picture.channels == 4;
  if (!known || picture.pixels.empty()) return "";
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.channels == 1 ? PNG_FORMAT_GRAY : picture.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::uint8_t> file(size);
  const int written = png_image_write_to_memory(&image, file.data(), &size, 0, picture.pixels.data(), 0, nullptr);
  if (written == 0) return "";
  return "data:image/png;base64," + base64(std::span(file).first(size));
}

Picture sample_picture(const Shape& shape, std::span<const float> values, float low, float high) {
  const std::int64_t channels = shape[0];
  Picture picture{channels == 3 ? 3 : 1, shape[1], shape[2], {}};
  const double spread = high > low ? high - low : 1;
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(channels)) {
    const auto pixel = values.subspan(i, static_cast<std::size_t>(channels));
    double sum = 0;
    for (const float x : pixel) {
      if (channels == 3) picture.pixels.push_back(byte_of((x - low) / spread));
      sum += (x - low) / spread;
    }
    if (channels != 3) picture.pixels.push_back(byte_of(sum / static_cast<double>(channels)));
  }
  return picture;
}

Picture weight_picture(const Shape& shape, std::span<const float> weights, float largest) {
  Picture picture{4, shape[1], shape[2], {}};
  const auto area = static_cast<std::size_t>(shape[1] * shape[2]);
  for (std::size_t i = 0; i < area; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < static_cast<std::size_t>(shape[0]); ++c) sum += weights[c * area + i];
    const double share = largest > 0 ? sum / largest : 0;
    if (share > 0)
      picture.pixels.insert(picture.pixels.end(), {0xE0, 0x6C, 0x0A});
    else
      picture.pixels.insert(picture.pixels.end(), {0x25, 0x72, 0xD6});
    picture.pixels.push_back(byte_of(std::abs(share)));
  }
  return picture;
}

}  // namespace soma::report
