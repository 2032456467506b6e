// bytes → Dataset: NumPy arrays, .npy versions 1 to 3. Trusts no length field.
#include "data/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/text.h"
#include "data/encoding.h"
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

// Half precision (IEEE 754 binary16) without a type of its own.
double from_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double value = exponent == 0    ? std::ldexp(fraction, -24)
                       : exponent == 31 ? (fraction == 0 ? HUGE_VAL : std::nan(""))
                                        : std::ldexp(fraction + 1024, exponent - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

struct Half {
  std::uint16_t bits;
};
double number(Half x) { return from_half(x.bits); }
template <class T>
double number(T x) {
  return static_cast<double>(x);
}

/// The values of an array in C order, whatever order they are stored in, one after the other.
template <class T, class Use>
void each_value(std::string_view values, const Header& header, bool swapped, Use&& use) {
  const std::size_t count = values.size() / sizeof(T), rank = header.extents.size();
  std::vector<std::size_t> step(rank), place(rank);
  for (std::size_t d = 0, stride = 1; header.fortran && d < rank; ++d) {
    step[d] = stride;
    stride *= static_cast<std::size_t>(header.extents[d]);
  }
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, values.data() + (header.fortran ? at : i) * sizeof(T), sizeof(T));
    if (swapped) std::reverse(bytes, bytes + sizeof(T));
    use(i, std::bit_cast<T>(bytes));
    for (std::size_t d = rank; header.fortran && d-- > 0;) {  // the next place, last axis first
      at += step[d];
      if (++place[d] < static_cast<std::size_t>(header.extents[d])) break;
      at -= step[d] * place[d];
      place[d] = 0;
    }
  }
}

// Values that fit are stored; the first that does not is named.
template <class T>
Result<void> take(std::string_view values, const Header& header, bool swapped, bool labels, NpyArray& array,
                  std::string_view origin) {
  const std::size_t count = values.size() / sizeof(T);
  bool whole = true;
  std::optional<Error> error;
  if (!labels) array.floats.reserve(count);
  each_value<T>(values, header, swapped, [&](std::size_t i, T raw) {
    const double x = number(raw);
    if (!(std::abs(x) <= static_cast<double>(FLT_MAX)) && !error)
      error = wrong(origin, fmt::format("value {}: wanted a finite number, got {}", i, x));
    if (!labels) return array.floats.push_back(static_cast<float>(x));
    array.numbers.push_back(x);
    if constexpr (std::is_integral_v<T>) {
      array.integers.push_back(static_cast<std::int64_t>(raw));
    } else {
      whole = whole && std::abs(x) < 0x1p53 && x == std::floor(x);
      if (whole) array.integers.push_back(static_cast<std::int64_t>(x));
    }
  });
  if (!whole) array.integers.clear();
  return error ? Result<void>(*error) : Result<void>();
}

using Taker = Result<void> (*)(std::string_view, const Header&, bool, bool, NpyArray&, std::string_view);

/// Reads the numbers of a type, "f4" without its byte order; null for others.
Taker taker(std::string_view type) {
  static constexpr std::pair<std::string_view, Taker> kTypes[] = {
      {"b1", take<std::uint8_t>}, {"u1", take<std::uint8_t>},  {"i1", take<std::int8_t>},  {"u2", take<std::uint16_t>},
      {"i2", take<std::int16_t>}, {"u4", take<std::uint32_t>}, {"i4", take<std::int32_t>}, {"u8", take<std::uint64_t>},
      {"i8", take<std::int64_t>}, {"f2", take<Half>},          {"f4", take<float>},        {"f8", take<double>}};
  for (const auto& [name, take_it] : kTypes)
    if (name == type) return take_it;
  return nullptr;
}

/// Strings of a fixed number of characters, filled up with zeros: U is UTF-32, S bytes.
void take_words(std::string_view values, bool wide, bool swapped, std::size_t width, NpyArray& array) {
  for (std::size_t start = 0; start < values.size(); start += width) {
    std::string& word = array.words.emplace_back();
    for (std::size_t at = start; at < start + width; at += wide ? 4 : 1) {
      std::uint32_t c = static_cast<unsigned char>(values[at]);
      for (std::size_t i = 1; wide && i < 4; ++i)
        c = swapped ? c << 8 | static_cast<unsigned char>(values[at + i])
                    : c | static_cast<std::uint32_t>(static_cast<unsigned char>(values[at + i])) << 8 * i;
      if (c == 0) break;
      if (wide)
        append_utf8(word, c);
      else
        word += static_cast<char>(c);
    }
  }
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
  const bool swapped = header->type.starts_with('>');
  const std::string_view type = header->type.substr(
      header->type.find_first_not_of("<>|=") == std::string_view::npos ? 0 : header->type.find_first_not_of("<>|="));
  const Taker take_values = taker(type);
  const bool words = labels && type.size() > 1 && (type[0] == 'U' || type[0] == 'S') && header->extents.size() == 1;
  std::size_t size = type.empty() ? 0 : static_cast<std::size_t>(type.back() - '0');
  if (words) {
    size = 0;
    std::from_chars(type.data() + 1, type.data() + type.size(), size);
    size = size > 1 << 16 ? 0 : type[0] == 'U' ? size * 4 : size;
  }
  if (size == 0 || (take_values == nullptr && !words))
    return wrong(origin,
                 fmt::format("wanted numbers of type b1, u1 to u8, i1 to i8 or f2 to f8, got '{}'; try array.astype('f4')",
                             header->type.substr(0, 20)));
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
  if (words) {
    take_words(values, type[0] == 'U', swapped, size, array);
    return array;
  }
  if ((type == "u1" || type == "b1") && !labels && !header->fortran) {
    array.bytes.assign(values.begin(), values.end());
    return array;
  }
  if (const Result<void> taken = take_values(values, *header, swapped, labels, array, origin); !taken) return taken.error();
  if ((type == "u1" || type == "b1") && !labels) {
    array.bytes.assign(array.floats.begin(), array.floats.end());
    array.floats = {};
  }
  return array;
}

namespace {

/// NAME.labels.npy, or y_train.npy beside X_train.npy.
Result<std::filesystem::path> labels_file(std::filesystem::path file) {
  if (file.extension() == ".gz") file.replace_extension();
  std::filesystem::path beside = file;
  beside.replace_extension(".labels.npy");
  const std::string name = file.filename().string();
  auto labels = plain_or_gz(beside);
  if (!labels || !labels->empty() || name.empty() || (name[0] != 'x' && name[0] != 'X')) return labels;
  return plain_or_gz(file.parent_path() / ("y" + name.substr(1)));
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  const Result<std::string> text = read_plain_or_gzip(file);
  for (std::size_t at = 0; text && at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    std::string line = text->substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

/// Words → classes in sorted order, or those asked for.
Result<void> set_words(Dataset& dataset, const std::vector<std::string>& words, std::string_view origin,
                       std::vector<std::string> names) {
  if (names.empty()) {
    names = words;
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto found = std::find(names.begin(), names.end(), words[i]);
    if (found == names.end())
      return wrong(origin, fmt::format("sample {}: wanted a class the model knows, got '{}'", i, one_line(words[i], 40)));
    places.push_back(found - names.begin());
  }
  // By place: their names may look like numbers.
  dataset.class_names = names;
  dataset.labels.assign(places.begin(), places.end());
  return {};
}

bool zeros_and_ones(const NpyArray& array) {
  return std::all_of(array.numbers.begin(), array.numbers.end(), [](double x) { return x == 0 || x == 1; });
}

/// [n, m] with exactly one 1 in every row → the places of the ones.
std::vector<std::int64_t> hot_places(const NpyArray& array) {
  const auto width = static_cast<std::size_t>(array.extents[1]);
  std::vector<std::int64_t> places;
  if (!zeros_and_ones(array)) return places;
  for (std::size_t row = 0; row < array.numbers.size(); row += width) {
    const auto begin = array.numbers.begin() + static_cast<std::ptrdiff_t>(row), end = begin + static_cast<std::ptrdiff_t>(width);
    if (std::count(begin, end, 1.0) != 1) return {};
    places.push_back(std::find(begin, end, 1.0) - begin);
  }
  return places;
}

Result<void> set_targets(Dataset& dataset, NpyArray array, const std::string& origin, const DataOptions& options,
                         const std::vector<std::string>& names) {
  Shape& extents = array.extents;
  if (extents.size() == 2 && extents[1] == 1) extents.pop_back();
  if (extents.empty() || extents.size() > 2)
    return wrong(origin, fmt::format("wanted labels [n] or [n, m], got {}", to_string(extents)));
  if (extents[0] != dataset.count)
    return wrong(origin, fmt::format("wanted {} labels, one per sample, got {}", dataset.count, extents[0]));
  if (!array.words.empty()) return set_words(dataset, array.words, origin, names);
  const bool wide = extents.size() == 2;
  if (wide && extents[1] == 0) return wrong(origin, "wanted labels, got none");
  if (wide && options.task.value_or(Task::classes) == Task::classes) {
    const std::vector<std::int64_t> places = hot_places(array);
    if (!places.empty()) {
      dataset.notes.push_back("labels: a 1 in every row is its class");
      return set_labels(dataset, places, origin, names);
    }
    if (options.task)
      return wrong(origin, fmt::format("wanted one class a sample, got {} numbers; try --set data.task=values", extents[1]));
  }
  const bool fractions = array.integers.empty();
  const bool values = options.task ? *options.task == Task::values || *options.task == Task::labels : wide || fractions;
  if (!values) {
    if (fractions) return wrong(origin, "wanted whole numbers as classes, got fractions; try --set data.task=values");
    return set_labels(dataset, array.integers, origin, names);
  }
  dataset.task = options.task.value_or(zeros_and_ones(array) ? Task::labels : Task::values);
  if (dataset.task == Task::labels && !zeros_and_ones(array))
    return wrong(origin, "wanted 0 or 1 for each label, got other numbers");
  const auto width = static_cast<std::size_t>(wide ? extents[1] : 1);
  dataset.target_names = names.size() == width ? names : number_names(static_cast<std::int64_t>(width));
  dataset.targets.assign(array.numbers.begin(), array.numbers.end());
  return {};
}

}  // namespace

Result<Dataset> load_npy(const std::filesystem::path& file, std::string_view bytes, const DataOptions& options) {
  const std::string origin = file.string();
  Result<NpyArray> array = parse_npy(bytes, origin);
  if (!array) return array.error();
  Dataset dataset;
  dataset.name = file.filename().string();
  rows_to_images(array->extents, options.image_shape);
  rows_to_images(array->extents, options.row_shape);
  if (const Result<void> shaped = shape_samples(dataset, *array, origin); !shaped) return shaped.error();

  const auto found = labels_file(file);
  if (!found) return found.error();
  const std::filesystem::path& labels = *found;
  if (labels.empty()) {
    if (options.task == Task::reconstruct) {
      dataset.task = Task::reconstruct;
      return dataset;
    }
    std::filesystem::path wanted = file.filename();
    if (wanted.extension() == ".gz") wanted.replace_extension();
    wanted.replace_extension(".labels.npy");
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted its labels beside it in {}, got no such file", origin, wanted.string())};
  }
  const Result<std::string> label_bytes = read_plain_or_gzip(labels);
  if (!label_bytes) return label_bytes.error();
  Result<NpyArray> targets = parse_npy(*label_bytes, labels.string(), true);
  if (!targets) return targets.error();
  std::vector<std::string> names = !options.class_names.empty() ? options.class_names : options.labels;
  std::filesystem::path names_file = file;
  if (names.empty()) names = lines_of(names_file.replace_extension(".classes.txt"));
  DataOptions as_classes = options;
  if (options.task == Task::reconstruct) as_classes.task = Task::classes;
  if (const Result<void> set = set_targets(dataset, std::move(*targets), labels.string(), as_classes, names); !set)
    return set.error();
  if (options.task == Task::reconstruct) dataset.task = Task::reconstruct;
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
