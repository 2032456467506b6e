// the EXIF block of a picture → which way is up, and the picture turned that way.
#include "data/orientation.h"

#include <cstdint>
#include <utility>

namespace soma {

int orientation(std::string_view segment) {
  const std::string_view tiff = segment.substr(segment.starts_with(std::string_view("Exif\0\0", 6)) ? 6 : 0);
  const bool big = tiff.starts_with("MM");
  if (!big && !tiff.starts_with("II")) return 1;
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes && at + bytes <= tiff.size(); ++i)
      value = value << 8 | static_cast<unsigned char>(tiff[big ? at + i : at + bytes - 1 - i]);
    return value;
  };
  const std::size_t directory = number(4, 4), entries = number(directory, 2);
  for (std::size_t i = 0; i < entries && directory + 2 + 12 * (i + 1) <= tiff.size(); ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (number(entry, 2) != 0x0112) continue;
    const auto value = static_cast<int>(number(entry + 8, 2));
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swaps = orientation >= 5;
  Image turned{image.channels, swaps ? image.width : image.height, swaps ? image.height : image.width, {}};
  turned.pixels.reserve(image.pixels.size());
  for (std::int64_t y = 0; y < turned.height; ++y)
    for (std::int64_t x = 0; x < turned.width; ++x) {
      std::int64_t from_y = swaps ? x : y, from_x = swaps ? y : x;
      // Which of the picture's own axes run backwards, bit by bit of EXIF's table.
      const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
      const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
      if (flip_x) from_x = image.width - 1 - from_x;
      if (flip_y) from_y = image.height - 1 - from_y;
      const auto at = static_cast<std::size_t>((from_y * image.width + from_x) * image.channels);
      for (std::size_t c = 0; c < static_cast<std::size_t>(image.channels); ++c) turned.pixels.push_back(image.pixels[at + c]);
    }
  return turned;
}

}  // namespace soma
