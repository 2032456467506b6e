// bytes → Dataset: IDX files, gzip or plain. Trusts no length field.
#include "data/idx.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <utility>

#include "core/file.h"
#include "data/gzip.h"
#include "data/labels.h"
#include "soma/file.h"

namespace soma {
namespace {

constexpr std::size_t kMostDimensions = 4;

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// Bytes of a value of an IDX type; 0 for no such type.
std::size_t size_of(char type) {
  switch (type) {
    case 0x08:
    case 0x09:
      return 1;
    case 0x0b:
      return 2;
    case 0x0c:
    case 0x0d:
      return 4;
    case 0x0e:
      return 8;
    default:
      return 0;
  }
}

/// One big-endian value of a type other than 08.
double number(char type, std::string_view bytes) {
  std::uint64_t bits = 0;
  for (const char byte : bytes) bits = bits << 8 | static_cast<unsigned char>(byte);
  switch (type) {
    case 0x09:
      return static_cast<std::int8_t>(bits);
    case 0x0b:
      return static_cast<std::int16_t>(bits);
    case 0x0c:
      return static_cast<std::int32_t>(bits);
    case 0x0d:
      return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    default:
      return std::bit_cast<double>(bits);
  }
}

std::string header(const Shape& extents) {
  std::string bytes = {0, 0, 8, static_cast<char>(extents.size())};
  for (const std::int64_t extent : extents)
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(extent >> shift & 0xff);
  return bytes;
}

Result<IdxArray> read_idx(const std::filesystem::path& file) {
  const Result<std::string> bytes = read_plain_or_gzip(file);
  if (!bytes) return bytes.error();
  return parse_idx(*bytes, file.string());
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

Result<IdxArray> parse_idx(std::string_view bytes, std::string_view origin) {
  const auto wrong = [&](std::string message) { return Error{Error::Kind::data, fmt::format("{}: {}", origin, message)}; };
  if (bytes.size() < 4) return wrong(fmt::format("wanted an IDX header of 4 bytes, got {}", bytes.size()));
  if (bytes[0] != 0 || bytes[1] != 0)
    return wrong(fmt::format("wanted an IDX file (first bytes 00 00), got {:02x} {:02x}", static_cast<unsigned char>(bytes[0]),
                             static_cast<unsigned char>(bytes[1])));
  const std::size_t size = size_of(bytes[2]);
  if (size == 0)
    return wrong(
        fmt::format("wanted IDX values of type 08, 09, 0B, 0C, 0D or 0E, got {:02X}", static_cast<unsigned char>(bytes[2])));
  const std::size_t dimensions = static_cast<unsigned char>(bytes[3]);
  if (dimensions < 1 || dimensions > kMostDimensions)
    return wrong(fmt::format("wanted 1 to {} IDX dimensions, got {}", kMostDimensions, dimensions));
  const std::size_t head = 4 + 4 * dimensions;
  if (bytes.size() < head) return wrong(fmt::format("wanted an IDX header of {} bytes, got {}", head, bytes.size()));

  IdxArray array;
  std::size_t promised = size;  // at most 2³¹ after every factor, so no product overflows
  bool absurd = false;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::size_t extent = big_endian(bytes.substr(4 + 4 * d));
    array.extents.push_back(static_cast<std::int64_t>(extent));
    absurd = absurd || promised * extent > kUnpackedLimit;
    promised = absurd ? promised : promised * extent;
  }
  const std::size_t held = bytes.size() - head;
  if (absurd || promised != held)
    return wrong(fmt::format("IDX header promises {} = {} bytes, got {}; try to download it again", to_string(array.extents),
                             absurd ? "too many" : std::to_string(promised), held));
  const std::string_view values = bytes.substr(head);
  if (bytes[2] == 8) array.values.assign(values.begin(), values.end());
  for (std::size_t at = 0; bytes[2] != 8 && at < values.size(); at += size) {
    array.numbers.push_back(number(bytes[2], values.substr(at, size)));
    if (!(std::abs(array.numbers.back()) <= static_cast<double>(FLT_MAX)))
      return wrong(fmt::format("value {}: wanted a finite number, got {}", at / size, array.numbers.back()));
  }
  return array;
}

Result<Dataset> load_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                         const std::vector<std::string>& class_names) {
  Result<IdxArray> pixels = read_idx(images);
  if (!pixels) return pixels.error();
  const Shape& extents = pixels->extents;
  if (extents.size() < 2)
    return Error{Error::Kind::data, fmt::format("{}: wanted images with 2 to 4 IDX dimensions, got labels; try the image file "
                                                "beside it",
                                                images.string())};
  Dataset dataset;
  dataset.name = images.filename().string();
  dataset.count = extents[0];
  if (const Result<void> counted = check_count(dataset.count, images.string()); !counted) return counted.error();
  if (extents.size() == 2) dataset.shape = {extents[1]};
  if (extents.size() == 3) dataset.shape = {1, extents[1], extents[2]};
  if (extents.size() == 4) dataset.shape = {extents[3], extents[1], extents[2]};
  if (dataset.sample_size() == 0)
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted images with pixels, got {}", images.string(), to_string(dataset.shape))};
  dataset.bytes = std::move(pixels->values);
  dataset.floats.assign(pixels->numbers.begin(), pixels->numbers.end());

  const Result<IdxArray> classes = read_idx(labels);
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
  if (const Result<void> labelled = set_labels(dataset, values, labels.string(), class_names); !labelled) return labelled.error();
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
