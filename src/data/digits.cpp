// (seed, index) → a 28×28 digit that looks handwritten: strokes bent, slanted, inked, boxed and centred as MNIST's are.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/random.h"
#include "data/labels.h"
#include "data/strokes.h"
#include "soma/dataset.h"

namespace soma {
namespace {

constexpr int kSide = 28;
constexpr float kBox = 20;
constexpr int kPieces = 6;                                       // straight pieces per span between two points of a stroke
constexpr std::uint64_t kNumbersPerImage = 64;                   // counters set aside for one image; each gives four numbers
constexpr std::uint64_t kClassCounter = std::uint64_t{1} << 60;  // beyond every image's share

/// Uniform numbers of one image, in the order they are asked for.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t image) : seed_(seed), index_(image * kNumbersPerImage) {}

  float between(float low, float high) {
    if (used_ % 4 == 0) four_ = philox(seed_, stream(Stream::digits), index_++);
    return low + (high - low) * (static_cast<float>(four_[used_++ % 4] >> 8) * 0x1p-24F);
  }
  /// Around 0, at most `most` away, the middle likelier than the ends (the sum of three uniform numbers).
  float around(float most) { return (between(-1, 1) + between(-1, 1) + between(-1, 1)) * (most / 3); }

 private:
  std::uint64_t seed_, index_;
  std::array<std::uint32_t, 4> four_{};
  std::size_t used_ = 0;
};

/// A straight piece of a stroke with the pen's radius at both ends.
struct Piece {
  Point a, b;
  float radius_a = 0, radius_b = 0;
};

std::int32_t class_of(std::uint64_t seed, std::uint64_t image) {
  std::array<std::int32_t, 10> order;
  std::iota(order.begin(), order.end(), 0);
  const std::uint64_t first = kClassCounter + image / 10 * 10;
  for (std::uint64_t i = 10; i > 1; --i)
    std::swap(order[i - 1], order[random_below(i, seed, stream(Stream::digits), first + i - 1)]);
  return order[image % 10];
}

const Glyph& pick(const std::vector<Glyph>& styles, float where) {
  int total = 0;
  for (const Glyph& glyph : styles) total += glyph.share;
  float left = where * static_cast<float>(total);
  for (const Glyph& glyph : styles)
    if ((left -= static_cast<float>(glyph.share)) < 0) return glyph;
  return styles.back();
}

// Control points bent by two slow waves and a tremble, then stretched, slanted and turned.
std::vector<Stroke> hand(const Glyph& glyph, Draws& draw) {
  const float wave = 0.075F;
  const std::array<float, 4> size = {draw.around(wave), draw.around(wave), draw.around(wave), draw.around(wave)};
  const std::array<float, 4> phase = {draw.between(0, 6.28F), draw.between(0, 6.28F), draw.between(0, 6.28F),
                                      draw.between(0, 6.28F)};
  const float stretch = draw.between(0.8F, 1.45F), slant = -0.2F + draw.around(0.5F), angle = draw.around(0.22F);
  const float cosine = std::cos(angle), sine = std::sin(angle);
  std::vector<Stroke> strokes = glyph.strokes;
  Point last_from{-1, -1}, last_to;
  for (Stroke& stroke : strokes)
    for (Point& p : stroke) {
      const Point from = p;
      if (from.x == last_from.x && from.y == last_from.y) {  // a corner: the next stroke starts where the last one ended
        p = last_to;
        continue;
      }
      float x = p.x + size[0] * std::sin(5 * p.y + phase[0]) + size[1] * std::sin(6 * p.x + phase[1]) + draw.around(0.055F);
      float y = p.y + size[2] * std::sin(6 * p.x + phase[2]) + size[3] * std::sin(4 * p.y + phase[3]) + draw.around(0.055F);
      x = (x - 0.3F) * stretch + slant * (y - 0.5F);
      y = y - 0.5F;
      p = {cosine * x - sine * y, sine * x + cosine * y};
      last_from = from;
      last_to = p;
    }
  return strokes;
}

// Catmull & Rom 1974, centripetal enough for points about evenly spaced; the ends repeat.
Point on_curve(const Stroke& stroke, std::size_t span, float t) {
  const auto at = [&](std::ptrdiff_t i) {
    return stroke[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, std::ssize(stroke) - 1))];
  };
  const auto i = static_cast<std::ptrdiff_t>(span);
  const Point a = at(i - 1), b = at(i), c = at(i + 1), d = at(i + 2);
  const auto blend = [t](float p, float q, float r, float s) {
    return q + 0.5F * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
  };
  return {blend(a.x, b.x, c.x, d.x), blend(a.y, b.y, c.y, d.y)};
}

std::vector<Piece> flattened(const std::vector<Stroke>& strokes, float radius, Draws& draw) {
  std::vector<Piece> pieces;
  for (const Stroke& stroke : strokes) {
    const float begin = radius * draw.between(0.85F, 1.15F), end = radius * draw.between(0.7F, 1.1F);
    const std::size_t spans = stroke.size() - 1, steps = spans * kPieces;
    Piece piece{stroke[0], stroke[0], begin, begin};
    for (std::size_t s = 1; s <= steps; ++s) {
      const std::size_t span = std::min((s - 1) / kPieces, spans - 1);
      piece.a = piece.b;
      piece.radius_a = piece.radius_b;
      piece.b = on_curve(stroke, span, static_cast<float>(s - span * kPieces) / kPieces);
      piece.radius_b = begin + (end - begin) * static_cast<float>(s) / static_cast<float>(steps);
      pieces.push_back(piece);
    }
  }
  return pieces;
}

// Scaled so that the ink fills a 20×20 box, moved so that its centre of mass is the middle of the image.
void box_and_centre(std::vector<Piece>& pieces, float radius) {
  Point low{1e9F, 1e9F}, high{-1e9F, -1e9F};
  for (const Piece& p : pieces)
    for (const Point& q : {p.a, p.b}) {
      low = {std::min(low.x, q.x), std::min(low.y, q.y)};
      high = {std::max(high.x, q.x), std::max(high.y, q.y)};
    }
  const float scale = (kBox - 2 * radius) / std::max(high.x - low.x, high.y - low.y);
  float mass = 0, mass_x = 0, mass_y = 0;
  for (Piece& p : pieces) {
    for (Point* q : {&p.a, &p.b}) *q = {(q->x - low.x) * scale, (q->y - low.y) * scale};
    const float m = std::hypot(p.b.x - p.a.x, p.b.y - p.a.y) * (p.radius_a + p.radius_b);
    mass += m;
    mass_x += m * (p.a.x + p.b.x) / 2;
    mass_y += m * (p.a.y + p.b.y) / 2;
  }
  const auto place = [&](float moment, float extent) {
    const float margin = radius + 0.5F, most = kSide - extent * scale - margin;
    return std::clamp(kSide / 2.0F - moment / mass, std::min(margin, most), most);
  };
  const float left = place(mass_x, high.x - low.x), top = place(mass_y, high.y - low.y);
  for (Piece& p : pieces)
    for (Point* q : {&p.a, &p.b}) *q = {q->x + left, q->y + top};
}

// Each pixel by how far its centre lies inside the nearest piece of the pen's path.
void ink(const std::vector<Piece>& pieces, float softness, std::uint8_t* pixels) {
  std::array<float, kSide * kSide> depth;
  depth.fill(std::numeric_limits<float>::lowest());
  for (const Piece& p : pieces) {
    const float reach = std::max(p.radius_a, p.radius_b) + softness;
    const auto from = [&](float a, float b) { return std::clamp(static_cast<int>(std::min(a, b) - reach), 0, kSide - 1); };
    const auto to = [&](float a, float b) { return std::clamp(static_cast<int>(std::max(a, b) + reach), 0, kSide - 1); };
    const Point along{p.b.x - p.a.x, p.b.y - p.a.y};
    const float length2 = std::max(along.x * along.x + along.y * along.y, 1e-12F);
    for (int y = from(p.a.y, p.b.y); y <= to(p.a.y, p.b.y); ++y)
      for (int x = from(p.a.x, p.b.x); x <= to(p.a.x, p.b.x); ++x) {
        const Point d{static_cast<float>(x) + 0.5F - p.a.x, static_cast<float>(y) + 0.5F - p.a.y};
        const float t = std::clamp((d.x * along.x + d.y * along.y) / length2, 0.0F, 1.0F);
        const float dx = d.x - t * along.x, dy = d.y - t * along.y;
        float& best = depth[static_cast<std::size_t>(y) * kSide + static_cast<std::size_t>(x)];
        best = std::max(best, p.radius_a + t * (p.radius_b - p.radius_a) - std::sqrt(dx * dx + dy * dy));
      }
  }
  for (std::size_t i = 0; i < depth.size(); ++i) {
    const float covered = std::clamp(0.5F + depth[i] / softness, 0.0F, 1.0F);
    pixels[i] = static_cast<std::uint8_t>(covered * covered * (3 - 2 * covered) * 254.99F);
  }
}

void draw_digit(std::int32_t digit, std::uint64_t seed, std::uint64_t image, std::uint8_t* pixels) {
  Draws draw(seed, image);
  const Glyph& glyph = pick(glyphs(digit), draw.between(0, 1));
  const float radius = 1.3F + draw.around(0.7F), softness = draw.between(1.1F, 1.6F);
  const std::vector<Stroke> strokes = hand(glyph, draw);
  std::vector<Piece> pieces = flattened(strokes, radius, draw);
  box_and_centre(pieces, radius);
  ink(pieces, softness, pixels);
}

}  // namespace

Dataset make_digits(std::int64_t count, std::uint64_t seed) {
  SOMA_REQUIRE(count >= 0 && count <= std::numeric_limits<std::int32_t>::max());
  Dataset digits;
  digits.name = "digits";
  digits.shape = {1, kSide, kSide};
  digits.count = count;
  digits.class_names = number_names(10);
  digits.bytes.resize(static_cast<std::size_t>(count * digits.sample_size()));
  digits.labels.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < digits.labels.size(); ++i) {
    digits.labels[i] = class_of(seed, i);
    draw_digit(digits.labels[i], seed, i, digits.bytes.data() + i * kSide * kSide);
  }
  return digits;
}

}  // namespace soma
