// one image + random numbers → the same image moved, turned, bent and flipped in one bilinear pass, then relit.
#include "data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/random.h"

namespace soma {
namespace {

constexpr int kCells = 4, kPoints = kCells + 3;  // B-spline cells across the image, control points that touch them
constexpr std::uint64_t kNumbersPerSample = 32;  // counters set aside for one sample; each gives four numbers
constexpr std::uint64_t kOtherNumbers = 26;      // where those begin that do not bend: the field takes 102 numbers at most
constexpr std::uint64_t kNoise = std::uint64_t{1} << 48;  // behind all samples: a counter for each two numbers of a picture

/// Uniform numbers in [−1, 1), taken in order from one sample's share of the stream.
class Draws {
 public:
  /// `first`: which of the sample's counters to begin with.
  Draws(std::uint64_t seed, std::int64_t epoch, std::int64_t position, std::uint64_t first = 0) noexcept
      : seed_(seed),
        stream_(stream(Stream::augment, static_cast<std::uint64_t>(epoch))),
        index_(static_cast<std::uint64_t>(position) * kNumbersPerSample + first) {}

  float next() noexcept {
    if (used_ % 4 == 0) four_ = philox(seed_, stream_, index_++);
    return static_cast<float>(four_[used_++ % 4] >> 8) * 0x1p-23F - 1;
  }

 private:
  std::uint64_t seed_;
  std::uint32_t stream_;
  std::uint64_t index_;
  std::array<std::uint32_t, 4> four_{};
  std::size_t used_ = 0;
};

/// A uniform cubic B-spline over kPoints values, as one polynomial in u ∈ [0, 1] per cell.
struct Spline {
  std::array<std::array<float, 4>, kCells> cell{};

  Spline() = default;
  template <class Value>
  explicit Spline(Value value) noexcept {
    for (std::size_t i = 0; i < kCells; ++i) {
      const float p = value(i), q = value(i + 1), r = value(i + 2), s = value(i + 3);
      cell[i] = {(p + 4 * q + r) / 6, (r - p) / 2, (p - 2 * q + r) / 2, (s - p + 3 * (q - r)) / 6};
    }
  }
  float operator()(std::size_t i, float u) const noexcept {
    const auto& c = cell[i];
    return c[0] + u * (c[1] + u * (c[2] + u * c[3]));
  }
};

/// Where along the cells a pixel lies.
struct Place {
  std::size_t cell;
  float u;

  Place(int pixel, float cells_per_pixel) noexcept {
    const float t = (static_cast<float>(pixel) + 0.5F) * cells_per_pixel;
    cell = std::min(static_cast<std::size_t>(t), static_cast<std::size_t>(kCells - 1));
    u = t - static_cast<float>(cell);
  }
};

template <class T>
void warp(const T* x, const Shape& shape, const Augment& augment, std::uint64_t seed, std::int64_t epoch, std::int64_t position,
          float* y) noexcept {
  const auto channels = static_cast<int>(shape[0]), height = static_cast<int>(shape[1]), width = static_cast<int>(shape[2]);
  Draws draw(seed, epoch, position);
  const auto shift = static_cast<float>(augment.shift);
  const float move_x = shift * draw.next(), move_y = shift * draw.next();
  const float angle = static_cast<float>(augment.rotate * 0.017453292519943295) * draw.next();
  const float factor = 1 + static_cast<float>(augment.scale) * draw.next();
  const float cosine = std::cos(angle) / factor, sine = std::sin(angle) / factor;

  std::array<Spline, kPoints> down_x, down_y;  // how each column of control points bends the image on its way down
  const auto elastic = static_cast<float>(augment.elastic);
  for (std::size_t j = 0; j < kPoints && elastic != 0; ++j) {
    std::array<float, kPoints> bend_x, bend_y;
    for (std::size_t i = 0; i < kPoints; ++i) {
      bend_x[i] = elastic * draw.next();
      bend_y[i] = elastic * draw.next();
    }
    down_x[j] = Spline([&](std::size_t i) { return bend_x[i]; });
    down_y[j] = Spline([&](std::size_t i) { return bend_y[i]; });
  }

  Draws other(seed, epoch, position, kOtherNumbers);
  const auto happens = [&other](double probability) { return static_cast<double>(other.next()) < 2 * probability - 1; };
  const bool flip_x = happens(augment.flip_horizontal), flip_y = happens(augment.flip_vertical);
  const auto pixels = [&] {  // whole ones, so that a crop alone stays sharp
    const auto most = static_cast<float>(std::floor(augment.crop));
    return std::min(std::floor((other.next() + 1) / 2 * (2 * most + 1)), 2 * most) - most;
  };
  const float crop_x = pixels(), crop_y = pixels();

  const float centre_x = static_cast<float>(width - 1) / 2, centre_y = static_cast<float>(height - 1) / 2;
  const float cells_down = kCells / static_cast<float>(height), cells_across = kCells / static_cast<float>(width);
  for (int row = 0; row < height; ++row) {
    const float dy = static_cast<float>(row) - centre_y - move_y;
    std::array<float, kPoints> row_x{}, row_y{};
    const Place down(row, cells_down);
    for (std::size_t j = 0; j < kPoints && elastic != 0; ++j) {
      row_x[j] = down_x[j](down.cell, down.u);
      row_y[j] = down_y[j](down.cell, down.u);
    }
    const Spline along_x([&](std::size_t j) { return row_x[j]; }), along_y([&](std::size_t j) { return row_y[j]; });
    for (int column = 0; column < width; ++column) {
      const float dx = static_cast<float>(column) - centre_x - move_x;
      float from_x = centre_x + cosine * dx + sine * dy, from_y = centre_y - sine * dx + cosine * dy;
      if (elastic != 0) {
        const Place across(column, cells_across);
        from_x += along_x(across.cell, across.u);
        from_y += along_y(across.cell, across.u);
      }
      from_x = std::clamp(from_x + crop_x, 0.0F, static_cast<float>(width - 1));
      from_y = std::clamp(from_y + crop_y, 0.0F, static_cast<float>(height - 1));
      if (flip_x) from_x = static_cast<float>(width - 1) - from_x;
      if (flip_y) from_y = static_cast<float>(height - 1) - from_y;
      const int x0 = static_cast<int>(from_x), y0 = static_cast<int>(from_y);
      const int x1 = std::min(x0 + 1, width - 1), y1 = std::min(y0 + 1, height - 1);
      const float fx = from_x - static_cast<float>(x0), fy = from_y - static_cast<float>(y0);
      const auto at = [&](int r, int c) { return x + (static_cast<std::ptrdiff_t>(r) * width + c) * channels; };
      const T *a = at(y0, x0), *b = at(y0, x1), *c = at(y1, x0), *d = at(y1, x1);
      for (int channel = 0; channel < channels; ++channel) {
        const auto top = static_cast<float>(a[channel]) * (1 - fx) + static_cast<float>(b[channel]) * fx;
        const auto bottom = static_cast<float>(c[channel]) * (1 - fx) + static_cast<float>(d[channel]) * fx;
        *y++ = top * (1 - fy) + bottom * fy;
      }
    }
  }
}

// Box and Muller 1958: two uniform numbers become a normal one.
float normal(std::uint32_t a, std::uint32_t b) noexcept {
  const float u = (static_cast<float>(a >> 8) + 1) * 0x1p-24F, v = static_cast<float>(b >> 8) * 0x1p-24F;
  return std::sqrt(-2 * std::log(u)) * std::cos(6.2831853F * v);
}

/// Light: contrast about the mean, brightness, noise; values stay within [0, range] where that is what pictures hold.
void relight(const Augment& augment, std::int64_t size, float range, bool clamped, std::uint64_t seed, std::int64_t epoch,
             std::int64_t position, float* y) noexcept {
  if (augment.brightness == 0 && augment.contrast == 0 && augment.noise == 0) return;
  Draws other(seed, epoch, position, kOtherNumbers + 2);
  const float factor = 1 + static_cast<float>(augment.contrast) * other.next();
  const float added = static_cast<float>(augment.brightness) * range * other.next();
  double mean = 0;
  for (std::int64_t i = 0; i < size; ++i) mean += static_cast<double>(y[i]);
  const auto middle = static_cast<float>(mean / static_cast<double>(size));
  const auto deviation = static_cast<float>(augment.noise) * range;
  const std::uint32_t numbers = stream(Stream::augment, static_cast<std::uint64_t>(epoch));
  const std::uint64_t first = kNoise + static_cast<std::uint64_t>(position * ((size + 1) / 2));
  for (std::int64_t i = 0; i < size; ++i) {
    y[i] = middle + (y[i] - middle) * factor + added;
    if (deviation > 0) {
      const auto four = philox(seed, numbers, first + static_cast<std::uint64_t>(i / 2));
      y[i] += deviation * (i % 2 == 0 ? normal(four[0], four[1]) : normal(four[2], four[3]));
    }
    if (clamped) y[i] = std::clamp(y[i], 0.0F, range);
  }
}

}  // namespace

void distort(const std::uint8_t* x, const Shape& shape, const Augment& augment, std::uint64_t seed, std::int64_t epoch,
             std::int64_t position, float* y) noexcept {
  warp(x, shape, augment, seed, epoch, position, y);
  relight(augment, elements(shape), 255, true, seed, epoch, position, y);
}

void distort(const float* x, const Shape& shape, const Augment& augment, std::uint64_t seed, std::int64_t epoch,
             std::int64_t position, float* y) noexcept {
  warp(x, shape, augment, seed, epoch, position, y);
  relight(augment, elements(shape), 1, false, seed, epoch, position, y);
}

}  // namespace soma
