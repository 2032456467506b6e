// the EXIF block of a picture → which way is up, and the picture turned that way.
#pragma once

#include <string_view>

#include "data/resample.h"

namespace soma {

/// The orientation, 1 to 8, that an APP1 segment of a JPEG or an eXIf chunk of a PNG holds (EXIF 2.32, tag 0x0112); 1 when it
/// holds none. Trusts no length.
int orientation(std::string_view segment);

/// The picture as people see it: 2 mirrored, 3 upside down, 4 to 8 the rest of EXIF's table.
Image upright(Image image, int orientation);

}  // namespace soma
