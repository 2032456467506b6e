// bytes → Image: PNG by libpng, JPEG by libjpeg-turbo, gray or colour, nothing trusted.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "data/resample.h"
#include "soma/error.h"

namespace soma {

/// True when the bytes begin as a PNG or a JPEG does.
bool is_image(std::string_view bytes);

/// Bytes that decoding this picture takes at most, as its header says; a little for one that has none.
std::size_t memory_to_decode(std::string_view bytes);

/// Gray stays gray, everything else becomes red, green, blue, upright as EXIF says; transparent places become white, 16 bits
/// their high byte, gamma is let be: the pixels Pillow gives. Refuses damaged files, and sides beyond 16384 or more than 2²⁶
/// pixels.
[[nodiscard]] Result<Image> decode_image(std::string_view bytes, std::string_view origin);

}  // namespace soma
