// Dataset → CSV with the label first, and a table of whole numbers → images of bytes: the way between IDX and CSV.
#include <fmt/format.h>

#include <cmath>

#include "core/file.h"
#include "soma/dataset.h"

namespace soma {

Result<void> write_csv(const Dataset& dataset, const std::filesystem::path& file) {
  std::string text;
  const std::int64_t size = dataset.sample_size();
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    text += fmt::format_int(dataset.labels[static_cast<std::size_t>(i)]).str();
    for (std::int64_t j = 0; j < size; ++j) {
      const auto at = static_cast<std::size_t>(i * size + j);
      text += ',';
      if (dataset.bytes.empty())
        text += fmt::format("{}", dataset.floats[at]);
      else
        text += fmt::format_int(static_cast<unsigned>(dataset.bytes[at])).str();
    }
    text += '\n';
  }
  return write_file(file, text);
}

Result<Dataset> as_images(const Dataset& table) {
  if (!table.floats.empty() || table.bytes.empty()) {
    Dataset images = table;
    const std::int64_t size = table.sample_size();
    const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(size))));
    images.shape = side * side == size ? Shape{1, side, side} : Shape{1, 1, size};
    images.floats.clear();
    images.columns.clear();
    images.bytes.reserve(table.floats.size());
    for (std::size_t i = 0; i < table.floats.size(); ++i) {
      const float x = table.floats[i];
      if (!(x >= 0 && x <= 255) || x != std::floor(x))
        return Error{Error::Kind::data,
                     fmt::format("{}: sample {}: wanted whole numbers from 0 to 255, got {}; IDX images hold bytes", table.name,
                                 static_cast<std::int64_t>(i) / size + 1, x)};
      images.bytes.push_back(static_cast<std::uint8_t>(x));
    }
    return images;
  }
  return table;
}

}  // namespace soma
