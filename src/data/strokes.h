// a digit and one of its styles → the pen strokes people write it with.
#pragma once

#include <cstdint>
#include <vector>

namespace soma {

struct Point {
  float x = 0, y = 0;
};

/// A pen stroke: a smooth curve through its points. A corner is where one stroke ends and the next begins.
using Stroke = std::vector<Point>;

/// One way to write a digit, about one unit high, y downwards.
struct Glyph {
  int share = 1;  ///< how often this style is drawn, relative to the digit's other styles
  std::vector<Stroke> strokes;
};

/// The styles of digit 0 … 9.
const std::vector<Glyph>& glyphs(std::int32_t digit);

}  // namespace soma
