// an image → the same image in another size or number of channels; a scanned digit → what MNIST would have made of it.
#include "data/resample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace soma {
namespace {

constexpr std::int64_t kSide = 28, kBox = 20;

Image with_channels(const Image& image, std::int64_t channels) {
  if (image.channels == channels) return image;
  Image result{channels, image.height, image.width, {}};
  for (std::size_t i = 0; i < image.pixels.size(); i += static_cast<std::size_t>(image.channels)) {
    const std::uint8_t* p = image.pixels.data() + i;
    const int gray = image.channels < 3 ? p[0] : (299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000;
    result.pixels.insert(result.pixels.end(), static_cast<std::size_t>(channels), static_cast<std::uint8_t>(gray));
  }
  return result;
}

/// How one output position mixes input positions first, first + 1, …
struct Mix {
  std::int64_t first = 0;
  std::vector<double> weight;
};

std::vector<Mix> mixes(std::int64_t from, std::int64_t to) {
  std::vector<Mix> result(static_cast<std::size_t>(to));
  const double step = static_cast<double>(from) / static_cast<double>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    Mix& mix = result[static_cast<std::size_t>(i)];
    if (step > 1) {  // the part of [begin, end) that each input pixel covers
      const double begin = static_cast<double>(i) * step, end = std::min(begin + step, static_cast<double>(from));
      mix.first = std::min(static_cast<std::int64_t>(begin), from - 1);
      for (std::int64_t j = mix.first; j < from && static_cast<double>(j) < end; ++j) {
        const double covered = std::min(end, static_cast<double>(j + 1)) - std::max(begin, static_cast<double>(j));
        mix.weight.push_back(covered / step);
      }
    } else {
      const double place = std::clamp((static_cast<double>(i) + 0.5) * step - 0.5, 0.0, static_cast<double>(from - 1));
      mix.first = static_cast<std::int64_t>(place);
      const double part = place - static_cast<double>(mix.first);
      mix.weight.push_back(1 - part);
      if (part > 0) mix.weight.push_back(part);
    }
  }
  return result;
}

std::uint8_t to_byte(double x) { return static_cast<std::uint8_t>(std::clamp(x + 0.5, 0.0, 255.0)); }

Image scaled(const Image& image, std::int64_t height, std::int64_t width) {
  if (image.height == height && image.width == width) return image;
  const std::vector<Mix> down = mixes(image.height, height), across = mixes(image.width, width);
  const std::int64_t channels = image.channels, row_size = image.width * channels;
  Image result{channels, height, width, {}};
  result.pixels.reserve(static_cast<std::size_t>(height * width * channels));
  std::vector<double> row(static_cast<std::size_t>(row_size));
  for (const Mix& rows : down) {
    std::fill(row.begin(), row.end(), 0.0);
    for (std::size_t k = 0; k < rows.weight.size(); ++k) {
      const std::uint8_t* x = image.pixels.data() + (rows.first + static_cast<std::int64_t>(k)) * row_size;
      for (std::size_t i = 0; i < row.size(); ++i) row[i] += rows.weight[k] * x[i];
    }
    for (const Mix& columns : across)
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (std::size_t k = 0; k < columns.weight.size(); ++k)
          sum += columns.weight[k] * row[static_cast<std::size_t>((columns.first + static_cast<std::int64_t>(k)) * channels + c)];
        result.pixels.push_back(to_byte(sum));
      }
  }
  return result;
}

std::uint8_t& at(Image& image, std::int64_t y, std::int64_t x) {
  return image.pixels[static_cast<std::size_t>(y * image.width + x)];
}

std::uint8_t border_median(Image& image) {
  std::vector<std::uint8_t> border;
  for (std::int64_t x = 0; x < image.width; ++x) {
    border.push_back(at(image, 0, x));
    border.push_back(at(image, image.height - 1, x));
  }
  for (std::int64_t y = 0; y < image.height; ++y) {
    border.push_back(at(image, y, 0));
    border.push_back(at(image, y, image.width - 1));
  }
  std::nth_element(border.begin(), border.begin() + std::ssize(border) / 2, border.end());
  return border[border.size() / 2];
}

// Paper is never evenly dark: what is less than a fifth of the way from background to the strongest ink becomes 0, the rest is
// stretched over the whole range.
void clean(Image& image, std::uint8_t background) {
  const int peak = *std::max_element(image.pixels.begin(), image.pixels.end());
  const int range = peak - background, floor = background + range / 5;
  for (std::uint8_t& pixel : image.pixels)
    pixel = pixel <= floor ? std::uint8_t{0} : static_cast<std::uint8_t>(std::min(255, (pixel - background) * 255 / range));
}

Image ink(Image& image) {
  std::int64_t top = image.height, left = image.width, bottom = -1, right = -1;
  for (std::int64_t y = 0; y < image.height; ++y)
    for (std::int64_t x = 0; x < image.width; ++x)
      if (at(image, y, x) > 0) {
        top = std::min(top, y);
        bottom = y;
        left = std::min(left, x);
        right = std::max(right, x);
      }
  Image cut{1, bottom - top + 1, right - left + 1, {}};
  for (std::int64_t y = top; y <= bottom; ++y)
    for (std::int64_t x = left; x <= right; ++x) cut.pixels.push_back(at(image, y, x));
  return cut;
}

}  // namespace

Image resized(const Image& image, const Shape& shape) { return scaled(with_channels(image, shape[0]), shape[1], shape[2]); }

Image fitted(const Image& image, const Shape& shape, std::string_view fit) {
  const std::int64_t height = shape[1], width = shape[2];
  if (fit == "stretch" || image.height * width == image.width * height) return resized(image, shape);
  // The side that decides: the one that would stick out for pad, the one that would fall short for crop.
  const bool by_height = (image.height * width > image.width * height) == (fit == "pad");
  const auto scaled = [](std::int64_t x, std::int64_t by, std::int64_t of) {
    return std::max<std::int64_t>(1, (x * by + of / 2) / of);
  };
  const Shape inner = {shape[0], by_height ? height : scaled(image.height, width, image.width),
                       by_height ? scaled(image.width, height, image.height) : width};
  const Image small = resized(image, inner);
  Image out{shape[0], height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(elements(shape)))};
  const std::int64_t top = (height - inner[1]) / 2, left = (width - inner[2]) / 2;  // negative where it is cut
  for (std::int64_t y = std::max<std::int64_t>(top, 0); y < std::min(height, top + inner[1]); ++y)
    for (std::int64_t x = std::max<std::int64_t>(left, 0); x < std::min(width, left + inner[2]); ++x)
      for (std::int64_t c = 0; c < shape[0]; ++c)
        out.pixels[static_cast<std::size_t>((y * width + x) * shape[0] + c)] =
            small.pixels[static_cast<std::size_t>(((y - top) * inner[2] + x - left) * shape[0] + c)];
  return out;
}

Image as_mnist(const Image& original) {
  Image image = with_channels(original, 1);
  std::uint8_t background = border_median(image);
  if (background >= 128) {
    for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
    background = static_cast<std::uint8_t>(255 - background);
  }
  if (image.height == kSide && image.width == kSide) return image;
  Image result{1, kSide, kSide, std::vector<std::uint8_t>(kSide * kSide)};
  if (*std::max_element(image.pixels.begin(), image.pixels.end()) <= background) return result;
  clean(image, background);
  const Image cut = ink(image);
  const double factor = static_cast<double>(kBox) / static_cast<double>(std::max(cut.height, cut.width));
  const auto fitted = [&](std::int64_t side) {
    return std::clamp<std::int64_t>(std::llround(static_cast<double>(side) * factor), 1, kBox);
  };
  Image box = scaled(cut, fitted(cut.height), fitted(cut.width));
  double mass = 0, mass_x = 0, mass_y = 0;
  for (std::int64_t y = 0; y < box.height; ++y)
    for (std::int64_t x = 0; x < box.width; ++x) {
      const double m = at(box, y, x);
      mass += m;
      mass_x += m * (static_cast<double>(x) + 0.5);
      mass_y += m * (static_cast<double>(y) + 0.5);
    }
  const auto start = [&](double moment, std::int64_t side) {
    const double centre = mass > 0 ? moment / mass : static_cast<double>(side) / 2;
    return std::clamp<std::int64_t>(std::llround(static_cast<double>(kSide) / 2 - centre), 0, kSide - side);
  };
  const std::int64_t left = start(mass_x, box.width), top = start(mass_y, box.height);
  for (std::int64_t y = 0; y < box.height; ++y)
    for (std::int64_t x = 0; x < box.width; ++x) at(result, top + y, left + x) = at(box, y, x);
  return result;
}

Result<Dataset> fit_images(Dataset dataset, const Shape& shape) {
  if (!dataset.has_bytes())
    return Error{Error::Kind::data, fmt::format("{}: wanted images of {}, got {} as floats, which are not resized", dataset.name,
                                                to_string(shape), to_string(dataset.shape))};
  std::vector<std::uint8_t> bytes;
  Image image{dataset.shape[0], dataset.shape[1], dataset.shape[2], {}};
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    image.pixels.assign(dataset.bytes_at(i), dataset.bytes_at(i) + dataset.sample_size());
    const Image result = resized(image, shape);
    bytes.insert(bytes.end(), result.pixels.begin(), result.pixels.end());
  }
  dataset.bytes = std::move(bytes);
  dataset.mapped.reset();
  dataset.rows.clear();
  dataset.notes.push_back(
      fmt::format("{} pictures of {} were brought to {}", dataset.count, to_string(dataset.shape), to_string(shape)));
  dataset.shape = shape;
  return dataset;
}

}  // namespace soma
