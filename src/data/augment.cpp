// one image + random numbers → the same image shifted, turned, scaled and bent, in one bilinear pass.
#include "data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/random.h"

namespace soma {
namespace {

constexpr int kCells = 4, kPoints = kCells + 3;  // B-spline cells across the image, control points that touch them
constexpr std::uint64_t kNumbersPerSample = 32;  // counters set aside for one sample; each gives four numbers

/// Uniform numbers in [−1, 1), taken in order from one sample's share of the stream.
class Draws {
 public:
  Draws(std::uint64_t seed, std::int64_t epoch, std::int64_t position) noexcept
      : seed_(seed),
        stream_(stream(Stream::augment, static_cast<std::uint64_t>(epoch))),
        index_(static_cast<std::uint64_t>(position) * kNumbersPerSample) {}

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

/// Where along the control points a pixel lies, and the four weights there.
struct Knot {
  int cell;
  std::array<float, 4> weight;

  Knot(float place, float extent) noexcept {
    const float t = place / extent * kCells;
    cell = std::clamp(static_cast<int>(t), 0, kCells - 1);
    const float u = t - static_cast<float>(cell), v = 1 - u;
    weight = {v * v * v / 6, (3 * u * u * u - 6 * u * u + 4) / 6, (3 * v * v * v - 6 * v * v + 4) / 6, u * u * u / 6};
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

  std::array<std::array<float, kPoints>, kPoints> bend_x{}, bend_y{};
  const auto elastic = static_cast<float>(augment.elastic);
  for (std::size_t i = 0; i < kPoints && elastic != 0; ++i)
    for (std::size_t j = 0; j < kPoints; ++j) {
      bend_x[i][j] = elastic * draw.next();
      bend_y[i][j] = elastic * draw.next();
    }

  const float centre_x = static_cast<float>(width - 1) / 2, centre_y = static_cast<float>(height - 1) / 2;
  for (int row = 0; row < height; ++row) {
    const float dy = static_cast<float>(row) - centre_y - move_y;
    std::array<float, kPoints> row_x{}, row_y{};
    const Knot down(static_cast<float>(row) + 0.5F, static_cast<float>(height));
    for (std::size_t j = 0; j < kPoints && elastic != 0; ++j)
      for (std::size_t k = 0; k < 4; ++k) {
        row_x[j] += down.weight[k] * bend_x[static_cast<std::size_t>(down.cell) + k][j];
        row_y[j] += down.weight[k] * bend_y[static_cast<std::size_t>(down.cell) + k][j];
      }
    for (int column = 0; column < width; ++column) {
      const float dx = static_cast<float>(column) - centre_x - move_x;
      float from_x = centre_x + cosine * dx + sine * dy, from_y = centre_y - sine * dx + cosine * dy;
      if (elastic != 0) {
        const Knot across(static_cast<float>(column) + 0.5F, static_cast<float>(width));
        for (std::size_t k = 0; k < 4; ++k) {
          from_x += across.weight[k] * row_x[static_cast<std::size_t>(across.cell) + k];
          from_y += across.weight[k] * row_y[static_cast<std::size_t>(across.cell) + k];
        }
      }
      from_x = std::clamp(from_x, 0.0F, static_cast<float>(width - 1));
      from_y = std::clamp(from_y, 0.0F, static_cast<float>(height - 1));
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

}  // namespace

void distort(const std::uint8_t* x, const Shape& shape, const Augment& augment, std::uint64_t seed, std::int64_t epoch,
             std::int64_t position, float* y) noexcept {
  warp(x, shape, augment, seed, epoch, position, y);
}

void distort(const float* x, const Shape& shape, const Augment& augment, std::uint64_t seed, std::int64_t epoch,
             std::int64_t position, float* y) noexcept {
  warp(x, shape, augment, seed, epoch, position, y);
}

}  // namespace soma
