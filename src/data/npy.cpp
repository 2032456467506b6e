// bytes → Dataset: NumPy arrays, .npy versions 1 to 3. Trusts no length field.
#include "data/npy.h"

#include <fmt/format.h>

#include <bit>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <type_traits>

#include "data/gzip.h"
#include "data/idx.h"
#include "data/labels.h"

namespace soma {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are read as little-endian memory");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMostDimensions = 4;

Error wrong(std::string_view origin, std::string_view message) {
  return {Error::Kind::data, fmt::format("{}: {}", origin, message)};
}

/// What the header's dictionary says.
struct Header {
  std::string_view type;
  bool fortran = false;
  Shape extents;
};

// The text after 'key': in the dictionary, blanks skipped.
std::optional<std::string_view> entry(std::string_view dictionary, std::string_view key) {
  std::size_t at = dictionary.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  at = dictionary.find_first_not_of(" :", at + key.size());
  if (at == std::string_view::npos) return std::nullopt;
  return dictionary.substr(at);
}

std::optional<Header> parse_header(std::string_view dictionary) {
  const auto type = entry(dictionary, "'descr'"), order = entry(dictionary, "'fortran_order'"),
             shape = entry(dictionary, "'shape'");
  if (!type || !order || !shape || !type->starts_with('\'') || !shape->starts_with('(')) return std::nullopt;
  Header header;
  const std::size_t quote = type->find('\'', 1);
  if (quote == std::string_view::npos) return std::nullopt;
  header.type = type->substr(1, quote - 1);
  header.fortran = order->starts_with("True");
  std::string_view rest = shape->substr(1);
  while (true) {
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == ',')) rest.remove_prefix(1);
    if (rest.starts_with(')')) return header;
    std::int64_t extent = -1;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), extent);
    if (failure != std::errc() || extent < 0 || header.extents.size() > kMostDimensions) return std::nullopt;
    header.extents.push_back(extent);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  }
}

// Values that fit are stored; the first that does not is named.
template <class T>
Result<void> take(std::string_view values, bool labels, NpyArray& array, std::string_view origin) {
  const std::size_t count = values.size() / sizeof(T);
  if (labels)
    array.integers.reserve(count);
  else
    array.floats.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    T x;
    std::memcpy(&x, values.data() + i * sizeof(T), sizeof(T));
    if (labels) {
      const bool whole = std::is_integral_v<T> || (std::abs(static_cast<double>(x)) < 0x1p53 &&
                                                   static_cast<double>(x) == std::floor(static_cast<double>(x)));
      if (!whole) return wrong(origin, fmt::format("value {}: wanted a whole number as label, got {}", i, x));
      array.integers.push_back(static_cast<std::int64_t>(x));
    } else {
      if (!(std::abs(static_cast<double>(x)) <= static_cast<double>(FLT_MAX)))
        return wrong(origin, fmt::format("value {}: wanted a finite number, got {}", i, x));
      array.floats.push_back(static_cast<float>(x));
    }
  }
  return {};
}

std::size_t size_of(std::string_view type) {
  if (type == "|u1" || type == "u1" || type == "<u1" || type == "|b1") return 1;
  if (type == "<f4" || type == "<i4") return 4;
  if (type == "<f8" || type == "<i8") return 8;
  return 0;
}

// [n, h·w·c] for a model of images: rows of pixels.
void rows_to_images(Shape& extents, const Shape& image) {
  if (image.size() == 3 && extents.size() == 2 && extents[1] == elements(image))
    extents = {extents[0], image[1], image[2], image[0]};
}

Result<void> shape_samples(Dataset& dataset, NpyArray& array, std::string_view origin) {
  const Shape& e = array.extents;
  if (e.size() < 2)
    return wrong(origin, fmt::format("wanted an array [n, f], [n, h, w] or [n, h, w, c], got {} dimension{}", e.size(),
                                     e.size() == 1 ? "" : "s"));
  dataset.count = e[0];
  if (e.size() == 2) dataset.shape = {e[1]};
  if (e.size() == 3) dataset.shape = {1, e[1], e[2]};
  if (e.size() == 4) dataset.shape = {e[3], e[1], e[2]};
  if (Result<void> counted = check_count(dataset.count, origin); !counted) return counted;
  if (dataset.sample_size() == 0)
    return wrong(origin, fmt::format("wanted samples with values, got {}", to_string(dataset.shape)));
  if (!dataset.is_image() && !array.bytes.empty()) {
    array.floats.assign(array.bytes.begin(), array.bytes.end());
    array.bytes = {};
  }
  dataset.bytes = std::move(array.bytes);
  dataset.floats = std::move(array.floats);
  for (std::int64_t i = 0; !dataset.is_image() && i < dataset.shape[0]; ++i) dataset.columns.push_back({std::to_string(i), {}});
  return {};
}

}  // namespace

bool is_npy(std::string_view bytes) { return bytes.starts_with(kMagic); }

Result<NpyArray> parse_npy(std::string_view bytes, std::string_view origin, bool labels) {
  if (!is_npy(bytes) || bytes.size() < 10) return wrong(origin, "wanted an NPY file, got something else");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
  const std::size_t version = byte(6), prefix = version == 1 ? 10 : 12;
  if (version < 1 || version > 3) return wrong(origin, fmt::format("wanted NPY version 1, 2 or 3, got {}", version));
  if (bytes.size() < prefix) return wrong(origin, "the NPY header is cut short");
  const std::size_t length = version == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  if (length > bytes.size() - prefix)
    return wrong(origin, fmt::format("wanted an NPY header of {} bytes, got {}", length, bytes.size() - prefix));
  const std::optional<Header> header = parse_header(bytes.substr(prefix, length));
  if (!header)
    return wrong(origin, "wanted an NPY header with descr, fortran_order and shape of at most 4 dimensions, got another");
  const std::size_t size = size_of(header->type);
  if (size == 0)
    return wrong(origin,
                 fmt::format("wanted numbers of type u1, f4, f8, i4 or i8, little-endian, got '{}'; try array.astype('<f4')",
                             header->type.substr(0, 20)));
  if (header->fortran && header->extents.size() > 1)
    return wrong(origin, "wanted rows one after the other (C order), got Fortran order; try numpy.ascontiguousarray");
  if (header->extents.size() > kMostDimensions)
    return wrong(origin, fmt::format("wanted at most {} dimensions, got {}", kMostDimensions, header->extents.size()));

  const std::string_view values = bytes.substr(prefix + length);
  std::size_t promised = size;  // at most 2³¹ after every factor, so no product overflows
  bool absurd = false;
  for (const std::int64_t extent : header->extents) {
    absurd = absurd || (extent != 0 && promised > kUnpackedLimit / static_cast<std::size_t>(extent));
    promised = absurd ? promised : promised * static_cast<std::size_t>(extent);
  }
  if (absurd || promised != values.size())
    return wrong(origin, fmt::format("NPY header promises {} = {} bytes, got {}", to_string(header->extents),
                                     absurd ? "too many" : std::to_string(promised), values.size()));
  NpyArray array;
  array.extents = header->extents;
  const char kind = header->type[header->type.size() - 2];
  if (size == 1 && !labels) array.bytes.assign(values.begin(), values.end());
  Result<void> taken;
  if (size == 1 && labels) taken = take<std::uint8_t>(values, labels, array, origin);
  if (size == 4)
    taken = kind == 'f' ? take<float>(values, labels, array, origin) : take<std::int32_t>(values, labels, array, origin);
  if (size == 8)
    taken = kind == 'f' ? take<double>(values, labels, array, origin) : take<std::int64_t>(values, labels, array, origin);
  if (!taken) return taken.error();
  return array;
}

Result<Dataset> load_npy(const std::filesystem::path& file, std::string_view bytes, const DataOptions& options) {
  const std::string origin = file.string();
  Result<NpyArray> array = parse_npy(bytes, origin);
  if (!array) return array.error();
  Dataset dataset;
  dataset.name = file.filename().string();
  rows_to_images(array->extents, options.image_shape);
  if (const Result<void> shaped = shape_samples(dataset, *array, origin); !shaped) return shaped.error();

  std::filesystem::path beside = file;
  if (beside.extension() == ".gz") beside.replace_extension();
  beside.replace_extension(".labels.npy");
  const auto found = plain_or_gz(beside);
  if (!found) return found.error();
  const std::filesystem::path& labels = *found;
  if (labels.empty())
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted its labels beside it in {}, got no such file", origin, beside.filename().string())};
  const Result<std::string> label_bytes = read_plain_or_gzip(labels);
  if (!label_bytes) return label_bytes.error();
  const Result<NpyArray> classes = parse_npy(*label_bytes, labels.string(), true);
  if (!classes) return classes.error();
  if (classes->extents.size() != 1)
    return wrong(labels.string(), fmt::format("wanted labels [n], got {}", to_string(classes->extents)));
  if (const Result<void> set = set_labels(dataset, classes->integers, labels.string(), options.class_names); !set)
    return set.error();
  return dataset;
}

Result<Dataset> npy_samples(std::string_view bytes, std::string_view origin, const DataOptions& options) {
  Result<NpyArray> array = parse_npy(bytes, origin);
  if (!array) return array.error();
  const Shape& image = options.image_shape;
  Shape& extents = array->extents;
  if (image.size() == 3) {
    const Shape rows_and_columns = {image[1], image[2]}, with_channels = {image[1], image[2], image[0]};
    if (extents.size() == 1 && extents[0] == elements(image)) extents.insert(extents.begin(), 1);
    if ((image[0] == 1 && extents == rows_and_columns) || extents == with_channels) extents = {1, image[1], image[2], image[0]};
    rows_to_images(extents, image);
  } else if (extents.size() == 1) {
    extents.insert(extents.begin(), 1);
  }
  Dataset dataset;
  if (const Result<void> shaped = shape_samples(dataset, *array, origin); !shaped) return shaped.error();
  return dataset;
}

}  // namespace soma
