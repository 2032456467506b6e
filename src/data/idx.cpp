// bytes → Dataset: IDX files, gzip or plain. Trusts no length field.
#include "data/idx.h"

#include <fmt/format.h>

#include <array>
#include <cfloat>
#include <cmath>
#include <memory>
#include <utility>

#include "data/labels.h"
#include "data/mapped.h"
#include "soma/file.h"

namespace soma {
namespace {

constexpr std::size_t kMostDimensions = 4;
constexpr std::size_t kMostBytes = std::size_t{1} << 46;  // beyond what any file holds, and times an extent no overflow

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// The numbers of an IDX type, or null for no such type.
const NumberType* type_of(char code) {
  switch (code) {
    case 0x08:
      return number_type("u1");
    case 0x09:
      return number_type("i1");
    case 0x0b:
      return number_type("i2");
    case 0x0c:
      return number_type("i4");
    case 0x0d:
      return number_type("f4");
    case 0x0e:
      return number_type("f8");
    default:
      return nullptr;
  }
}

std::string header(const Shape& extents) {
  std::string bytes = {0, 0, 8, static_cast<char>(extents.size())};
  for (const std::int64_t extent : extents)
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(extent >> shift & 0xff);
  return bytes;
}

Result<void> write_array(const std::filesystem::path& file, const Shape& extents, std::span<const std::byte> values) {
  const std::string head = header(extents);
  const std::array chunks = {std::as_bytes(std::span(head)), values};
  return write_file(file, chunks);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  if (const std::size_t at = text.rfind(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

}  // namespace

Result<IdxView> view_idx(std::string_view bytes, std::string_view origin) {
  const auto wrong = [&](std::string message) { return Error{Error::Kind::data, fmt::format("{}: {}", origin, message)}; };
  if (bytes.size() < 4) return wrong(fmt::format("wanted an IDX header of 4 bytes, got {}", bytes.size()));
  if (bytes[0] != 0 || bytes[1] != 0)
    return wrong(fmt::format("wanted an IDX file (first bytes 00 00), got {:02x} {:02x}", static_cast<unsigned char>(bytes[0]),
                             static_cast<unsigned char>(bytes[1])));
  IdxView view;
  view.type = type_of(bytes[2]);
  if (view.type == nullptr)
    return wrong(
        fmt::format("wanted IDX values of type 08, 09, 0B, 0C, 0D or 0E, got {:02X}", static_cast<unsigned char>(bytes[2])));
  const std::size_t dimensions = static_cast<unsigned char>(bytes[3]);
  if (dimensions < 1 || dimensions > kMostDimensions)
    return wrong(fmt::format("wanted 1 to {} IDX dimensions, got {}", kMostDimensions, dimensions));
  const std::size_t head = 4 + 4 * dimensions;
  if (bytes.size() < head) return wrong(fmt::format("wanted an IDX header of {} bytes, got {}", head, bytes.size()));

  std::size_t promised = view.type->size;
  bool absurd = false;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::size_t extent = big_endian(bytes.substr(4 + 4 * d));
    view.extents.push_back(static_cast<std::int64_t>(extent));
    absurd = absurd || (extent != 0 && promised > kMostBytes / extent);
    promised = absurd ? promised : promised * extent;
  }
  const std::size_t held = bytes.size() - head;
  if (absurd || promised != held)
    return wrong(fmt::format("IDX header promises {} = {} bytes, got {}; try to download it again", to_string(view.extents),
                             absurd ? "too many" : std::to_string(promised), held));
  view.values = bytes.substr(head);
  return view;
}

Result<IdxArray> parse_idx(std::string_view bytes, std::string_view origin) {
  const Result<IdxView> view = view_idx(bytes, origin);
  if (!view) return view.error();
  IdxArray array{view->extents, {}, {}};
  if (view->bytes()) {
    array.values.assign(view->values.begin(), view->values.end());
    return array;
  }
  array.numbers.resize(view->values.size() / view->type->size);
  view->type->doubles(view->values.data(), array.numbers.size(), true, array.numbers.data());
  for (std::size_t i = 0; i < array.numbers.size(); ++i)
    if (!(std::abs(array.numbers[i]) <= static_cast<double>(FLT_MAX)))
      return Error{Error::Kind::data, fmt::format("{}: value {}: wanted a finite number, got {}", origin, i, array.numbers[i])};
  return array;
}

Result<Dataset> idx_samples(const FileBytes& file, std::string_view origin, std::size_t mapped_from) {
  const Result<IdxView> view = view_idx(file.bytes, origin);
  if (!view) return view.error();
  const auto wrong = [&](std::string message) { return Error{Error::Kind::data, fmt::format("{}: {}", origin, message)}; };
  const Shape& extents = view->extents;
  if (extents.size() < 2) return wrong("wanted images with 2 to 4 IDX dimensions, got labels; try the image file beside it");
  Dataset dataset;
  dataset.count = extents[0];
  if (const Result<void> counted = check_count(dataset.count, origin); !counted) return counted.error();
  if (extents.size() == 2) dataset.shape = {extents[1]};
  if (extents.size() == 3) dataset.shape = {1, extents[1], extents[2]};
  if (extents.size() == 4) dataset.shape = {extents[3], extents[1], extents[2]};
  if (dataset.sample_size() == 0) return wrong(fmt::format("wanted images with pixels, got {}", to_string(dataset.shape)));
  if (view->values.size() >= mapped_from) {
    const auto mapped =
        std::make_shared<const MappedSamples>(file, view->values, *view->type, true, dataset.sample_size(), view->bytes());
    if (const auto finite = mapped->check_finite(origin); !finite) return finite.error();
    dataset.mapped = mapped;
    return dataset;
  }
  Result<IdxArray> array = parse_idx(file.bytes, origin);
  if (!array) return array.error();
  dataset.bytes = std::move(array->values);
  dataset.floats.assign(array->numbers.begin(), array->numbers.end());
  return dataset;
}

Result<Dataset> load_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                         const std::vector<std::string>& class_names) {
  const Result<FileBytes> file = map_plain_or_gzip(images);
  if (!file) return file.error();
  Result<Dataset> dataset = idx_samples(*file, images.string());
  if (!dataset) return dataset;
  dataset->name = images.filename().string();
  const Result<std::string> bytes = read_plain_or_gzip(labels);
  if (!bytes) return bytes.error();
  const Result<IdxArray> classes = parse_idx(*bytes, labels.string());
  if (!classes) return classes.error();
  if (classes->extents.size() != 1)
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted labels with one IDX dimension, got {}", labels.string(), classes->extents.size())};
  std::vector<std::int64_t> values(classes->values.begin(), classes->values.end());
  for (const double label : classes->numbers) {
    if (label != std::floor(label) || std::abs(label) >= 0x1p53)
      return Error{Error::Kind::data, fmt::format("{}: wanted whole numbers as labels, got {}", labels.string(), label)};
    values.push_back(static_cast<std::int64_t>(label));
  }
  if (const Result<void> labelled = set_labels(*dataset, values, labels.string(), class_names); !labelled)
    return labelled.error();
  return dataset;
}

Result<std::filesystem::path> plain_or_gz(const std::filesystem::path& file) {
  const std::string dotted = (file.parent_path() / replaced(file.filename().string(), "-idx", ".idx")).string();
  for (const std::string& form : {file.string(), file.string() + ".gz", dotted, dotted + ".gz"}) {
    const auto there = is_file(form);
    if (!there) return there.error();
    if (*there) return std::filesystem::path(form);
  }
  return std::filesystem::path();
}

void transpose_images(Dataset& dataset) {
  if (!dataset.is_image()) return;
  dataset = in_memory(std::move(dataset));
  const std::size_t c = static_cast<std::size_t>(dataset.shape[0]), h = static_cast<std::size_t>(dataset.shape[1]),
                    w = static_cast<std::size_t>(dataset.shape[2]);
  const auto turn = [&](auto& values) {
    auto turned = values;
    for (std::size_t start = 0; start < values.size(); start += h * w * c)
      for (std::size_t y = 0; y < h; ++y)
        for (std::size_t x = 0; x < w; ++x)
          for (std::size_t i = 0; i < c; ++i) turned[start + (x * h + y) * c + i] = values[start + (y * w + x) * c + i];
    values = std::move(turned);
  };
  turn(dataset.bytes);
  turn(dataset.floats);
  std::swap(dataset.shape[1], dataset.shape[2]);
}

Result<std::filesystem::path> labels_beside(const std::filesystem::path& images) {
  std::string name = images.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  std::string wanted = replaced(name, "images", "labels");
  for (const std::string_view form : {"idx2", "idx3", "idx4"}) wanted = replaced(wanted, form, "idx1");
  if (name.find("images") == std::string::npos) wanted = name + ".labels";
  auto labels = plain_or_gz(images.parent_path() / wanted);
  if (labels && labels->empty())
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted its labels beside it in {}, got no such file", images.string(), wanted)};
  return labels;
}

Result<void> write_idx(const Dataset& dataset, const std::filesystem::path& images, const std::filesystem::path& labels) {
  if (dataset.mapped) return write_idx(in_memory(dataset), images, labels);
  if (dataset.bytes.empty())
    return Error{Error::Kind::usage, fmt::format("{}: wanted images of bytes, got a table of numbers; IDX here holds bytes only",
                                                 dataset.name.empty() ? "write_idx" : dataset.name)};
  if (dataset.class_names.size() > 256)
    return Error{Error::Kind::usage,
                 fmt::format("{}: wanted at most 256 classes, got {}", dataset.name, dataset.class_names.size())};
  Shape extents = {dataset.count};
  if (!dataset.is_image()) extents.push_back(dataset.sample_size());
  if (dataset.is_image()) extents.insert(extents.end(), {dataset.shape[1], dataset.shape[2]});
  if (dataset.is_image() && dataset.shape[0] != 1) extents.push_back(dataset.shape[0]);
  if (Result<void> written = write_array(images, extents, std::as_bytes(std::span(dataset.bytes))); !written) return written;
  const std::vector<std::uint8_t> classes(dataset.labels.begin(), dataset.labels.end());
  return write_array(labels, {static_cast<std::int64_t>(classes.size())}, std::as_bytes(std::span(classes)));
}

}  // namespace soma
