// PNG, JPEG, CSV and NPY files → samples without labels, as a model wants them.
#include "data/samples.h"

#include <fmt/format.h>

#include "core/file.h"
#include "data/arrays.h"
#include "data/gzip.h"
#include "data/image.h"
#include "data/labels.h"
#include "data/table.h"

namespace soma {
namespace {

// A model of 28×28 gray images whose classes, as far as they are known, are the ten digits.
bool reads_digits(const DataOptions& options) {
  return options.image_shape == Shape{1, 28, 28} && (options.class_names.empty() || options.class_names == number_names(10));
}

Result<Dataset> image_sample(std::string_view bytes, std::string_view origin, const DataOptions& options) {
  if (!options.columns.empty())
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted a row of {} columns, got a picture; try a CSV file", origin, options.columns.size())};
  Result<Image> image = decode_image(bytes, origin);
  if (!image) return image.error();
  if (reads_digits(options))
    image = as_mnist(*image);
  else if (options.image_shape.size() == 3)
    image = fitted(*image, options.image_shape, options.fit);
  Dataset sample;
  sample.shape = {image->channels, image->height, image->width};
  sample.count = 1;
  sample.bytes = std::move(image->pixels);
  return sample;
}

// Bytes and floats do not share a set: the first float file turns what is there into floats.
void append(Dataset& all, const Dataset& more) {
  if (!all.bytes.empty() && !more.floats.empty()) {
    all.floats.assign(all.bytes.begin(), all.bytes.end());
    all.bytes = {};
  }
  if (!all.floats.empty())
    all.floats.insert(all.floats.end(), more.bytes.begin(), more.bytes.end());
  else
    all.bytes.insert(all.bytes.end(), more.bytes.begin(), more.bytes.end());
  all.floats.insert(all.floats.end(), more.floats.begin(), more.floats.end());
  all.count += more.count;
}

}  // namespace

Result<Dataset> parse_samples(std::string_view bytes, std::string_view origin, const DataOptions& options) {
  if (is_image(bytes)) return image_sample(bytes, origin, options);
  if (is_npy(bytes)) return npy_samples(bytes, origin, options);
  DataOptions unlabelled = options;
  unlabelled.labelled = false;
  Result<Dataset> rows = parse_table(std::string(bytes), origin, unlabelled);
  if (rows && options.image_shape.size() == 3 && !rows->is_image())
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted rows of {} numbers for images of {}, got {}", origin, elements(options.image_shape),
                             to_string(options.image_shape), rows->sample_size())};
  return rows;
}

Result<Dataset> load_samples(std::span<const std::filesystem::path> files, const DataOptions& options) {
  if (files.empty()) return Error{Error::Kind::usage, "predict: wanted at least one file, got none"};
  Dataset all;
  for (const std::filesystem::path& file : files) {
    const Result<std::string> bytes = read_plain_or_gzip(file);
    if (!bytes) return bytes.error();
    Result<Dataset> samples = parse_samples(*bytes, file.string(), options);
    if (!samples) return samples.error();
    const Shape& wanted = options.image_shape.size() == 3 ? options.image_shape : all.shape;
    if (!wanted.empty() && samples->shape != wanted)
      return Error{Error::Kind::data,
                   fmt::format("{}: wanted a sample of {}{}, got {}", file.string(), to_string(wanted),
                               options.image_shape.empty() ? " like the files before it" : "", to_string(samples->shape))};
    if (all.count == 0)
      all = std::move(*samples);
    else
      append(all, *samples);
  }
  if (const Result<void> counted = check_count(all.count, files[0].string()); !counted) return counted.error();
  if (all.columns.empty()) all.columns = options.columns;
  all.class_names = options.class_names;
  return all;
}

}  // namespace soma
