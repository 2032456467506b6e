// TensorFile ↔ a safetensors file: u64 header length, JSON, raw little-endian floats without holes.
#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>

#include "core/file.h"
#include "core/half_float.h"
#include "core/sha256.h"
#include "core/text.h"
#include "model/seal.h"

namespace soma {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kLongestHeader = 100'000'000;  // the format's own limit

/// What the header says of one tensor, before any of it is believed.
struct Entry {
  std::string name, dtype;
  std::vector<std::uint64_t> shape, offsets;
  std::set<std::string> keys;
};

/// JSON events → entries and metadata. Accepts exactly the format's grammar; `problem` says what else was there.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string problem;

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) return go(Place::header);
    if (place_ == Place::header && name_ == kMetadata) return go(Place::metadata);
    if (place_ != Place::header) return unexpected("an object");
    entries.push_back({name_, {}, {}, {}, {}});
    return go(Place::entry);
  }
  bool end_object() override {
    if (place_ == Place::entry && entries.back().keys.size() != 3)
      return fail(
          fmt::format("tensor '{}' wants dtype, shape and data_offsets, got {} of them", name_, entries.back().keys.size()));
    return go(place_ == Place::header ? Place::outside : Place::header);
  }
  bool key(std::string& word) override {
    if (place_ == Place::entry) {
      field_ = word;
      if (word != "dtype" && word != "shape" && word != "data_offsets")
        return fail(fmt::format("tensor '{}' has an unknown key '{}'", name_, word));
      return entries.back().keys.insert(word).second || fail(fmt::format("tensor '{}' has two keys '{}'", name_, word));
    }
    name_ = word;
    auto& seen = place_ == Place::metadata ? metadata_keys_ : tensor_names_;
    return seen.insert(word).second ||
           fail(fmt::format("{} '{}' is there twice", place_ == Place::metadata ? "metadata" : "tensor", word));
  }
  bool string(std::string& word) override {
    if (place_ == Place::metadata) {
      metadata.emplace_back(name_, std::move(word));
      return true;
    }
    if (place_ != Place::entry || field_ != "dtype") return unexpected("a string");
    entries.back().dtype = std::move(word);
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::entry || field_ == "dtype") return unexpected("an array");
    return go(field_ == "shape" ? Place::shape : Place::offsets);
  }
  bool end_array() override { return go(Place::entry); }
  bool number_unsigned(std::uint64_t number) override {
    if (place_ != Place::shape && place_ != Place::offsets) return unexpected("a number");
    (place_ == Place::shape ? entries.back().shape : entries.back().offsets).push_back(number);
    return true;
  }
  bool number_integer(std::int64_t) override { return unexpected("a negative number"); }
  bool number_float(double, const std::string& text) override { return unexpected("the number " + text); }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::json::exception&) override {
    return fail(fmt::format("its header is no JSON at byte {}", kLengthBytes + at));
  }

 private:
  enum class Place { outside, header, metadata, entry, shape, offsets };
  static constexpr const char* kMetadata = "__metadata__";

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool unexpected(std::string_view what) { return fail(fmt::format("{} does not belong at '{}'", what, name_)); }

  Place place_ = Place::outside;
  std::string name_, field_;
  std::set<std::string> tensor_names_, metadata_keys_;
};

/// A word in JSON. Throws nlohmann's type_error for one that is not in UTF-8.
std::string quoted(const std::string& word) { return nlohmann::json(word).dump(); }

/// Elements of type T as floats; whether each is one exactly, which fractions need not be.
template <class T>
bool as_floats(std::string_view raw, std::vector<float>& floats) {
  bool exact = true;
  for (std::size_t at = 0; at < raw.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, raw.data() + at, sizeof(T));
    floats.push_back(static_cast<float>(value));
    // In double, since the float may be just beyond what T holds.
    if constexpr (std::is_integral_v<T>) exact = exact && static_cast<double>(value) == static_cast<double>(floats.back());
  }
  return exact;
}
template <float (*widen)(std::uint16_t)>
bool from_halves(std::string_view raw, std::vector<float>& floats) {
  for (std::size_t at = 0; at < raw.size(); at += 2) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, raw.data() + at, 2);
    floats.push_back(widen(bits));
  }
  return true;
}

/// The types of elements that are read, each as floats.
struct ElementKind {
  std::string_view dtype;
  std::uint64_t bytes;
  bool (*convert)(std::string_view raw, std::vector<float>& floats);
};
constexpr std::array<ElementKind, 12> kKinds = {{{"F32", 4, as_floats<float>},
                                                 {"F64", 8, as_floats<double>},
                                                 {"F16", 2, from_halves<from_half>},
                                                 {"BF16", 2, from_halves<from_bfloat>},
                                                 {"I8", 1, as_floats<std::int8_t>},
                                                 {"I16", 2, as_floats<std::int16_t>},
                                                 {"I32", 4, as_floats<std::int32_t>},
                                                 {"I64", 8, as_floats<std::int64_t>},
                                                 {"U8", 1, as_floats<std::uint8_t>},
                                                 {"U16", 2, as_floats<std::uint16_t>},
                                                 {"U32", 4, as_floats<std::uint32_t>},
                                                 {"BOOL", 1, as_floats<std::uint8_t>}}};

const ElementKind* kind_of(std::string_view dtype) {
  const auto* const at = std::find_if(kKinds.begin(), kKinds.end(), [&](const ElementKind& kind) { return kind.dtype == dtype; });
  return at == kKinds.end() ? nullptr : at;
}

/// The tensor's size in bytes, or nothing when it does not fit 63 bits.
bool byte_size(const std::vector<std::uint64_t>& shape, std::uint64_t element, std::uint64_t& bytes) {
  bytes = element;
  if (std::find(shape.begin(), shape.end(), 0U) != shape.end()) {
    bytes = 0;
    return std::all_of(shape.begin(), shape.end(), [](std::uint64_t extent) { return extent <= 1ULL << 62; });
  }
  for (const std::uint64_t extent : shape) {
    if (extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / bytes) return false;
    bytes *= extent;
  }
  return true;
}

}  // namespace

Result<TensorFile> parse_safetensors(std::string_view bytes, std::string_view who, Changed changed) {
  const auto wrong = [&](std::string_view what) {
    return Error{Error::Kind::data, fmt::format("{}: no safetensors file: {}; try another file", who, one_line(what))};
  };
  if (bytes.size() < kLengthBytes) return wrong(fmt::format("wanted at least {} bytes, got {}", kLengthBytes, bytes.size()));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kLongestHeader || length > bytes.size() - kLengthBytes)
    return wrong(fmt::format("its header of {} bytes does not fit the file of {}", length, bytes.size()));
  const std::string_view header = bytes.substr(kLengthBytes, length);
  const std::string_view data = bytes.substr(kLengthBytes + length);
  // The JSON reader would take a zero byte for the end, and skip a byte order mark.
  if (const auto first = header.find_first_not_of(" \t\r\n"); first == header.npos || header[first] != '{')
    return wrong("its header does not begin with {");
  if (header.find('\0') != header.npos) return wrong("its header holds a zero byte");

  const auto seal = safetensors_seal(bytes);
  if (seal && changed == Changed::refuse)
    if (const auto holds = hold_seal(bytes, *seal, who); !holds) return holds.error();

  HeaderReader reader;
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &reader)) return wrong(reader.problem);

  std::uint64_t end = 0;
  for (Entry& entry : reader.entries) {
    const ElementKind* kind = kind_of(entry.dtype);
    if (kind == nullptr)
      return wrong(
          fmt::format("tensor '{}' wants real or whole numbers of 8 to 64 bits, got dtype '{}'", entry.name, entry.dtype));
    if (entry.offsets.size() != 2)
      return wrong(fmt::format("tensor '{}' wants 2 data_offsets, got {}", entry.name, entry.offsets.size()));
    std::uint64_t size = 0;
    if (!byte_size(entry.shape, kind->bytes, size)) return wrong(fmt::format("tensor '{}' is too large", entry.name));
    if (entry.offsets[1] < entry.offsets[0] || entry.offsets[1] - entry.offsets[0] != size)
      return wrong(fmt::format("tensor '{}' wants {} bytes, its offsets say {} to {}", entry.name, size, entry.offsets[0],
                               entry.offsets[1]));
  }
  std::stable_sort(reader.entries.begin(), reader.entries.end(),
                   [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });
  for (const Entry& entry : reader.entries) {
    if (entry.offsets[0] != end)
      return wrong(fmt::format("tensor '{}' begins at {}, the one before it ends at {}", entry.name, entry.offsets[0], end));
    end = entry.offsets[1];
  }
  if (end != data.size()) return wrong(fmt::format("its tensors hold {} bytes, the file has {} for them", end, data.size()));

  TensorFile file;
  for (auto& word : reader.metadata) {
    const bool ours = word.first == kSealKey || word.first == kVersionKey;
    if (ours && !seal && changed == Changed::refuse) return seal_is_gone(who);
    if (!ours) file.metadata.push_back(std::move(word));
  }
  for (const Entry& entry : reader.entries) {
    const ElementKind& kind = *kind_of(entry.dtype);
    Tensor tensor{entry.name, {}, {}};
    for (const std::uint64_t extent : entry.shape) tensor.shape.push_back(static_cast<std::int64_t>(extent));
    const std::string_view raw = data.substr(entry.offsets[0], entry.offsets[1] - entry.offsets[0]);
    tensor.values.reserve(raw.size() / kind.bytes);
    if (!kind.convert(raw, tensor.values))
      return wrong(fmt::format("tensor '{}' holds whole numbers that no float32 is", entry.name));
    file.tensors.push_back(std::move(tensor));
  }
  return file;
}

Result<TensorFile> read_safetensors(const std::filesystem::path& file, Changed changed) {
  const auto bytes = read_file(file);
  if (!bytes) return bytes.error();
  return parse_safetensors(*bytes, file.string(), changed);
}

Result<void> write_safetensors(const TensorFile& contents, const std::filesystem::path& file) {
  // Written as it goes: the destructor of a JSON document asks for memory, and a lack of it there would end the process.
  std::set<std::string> keys = {std::string(kSealKey), std::string(kVersionKey)}, names = {"__metadata__"};
  std::string text =
      fmt::format(R"({}{}","{}":{})", kSafetensorsSeal, std::string(kSha256Digits, '0'), kVersionKey, quoted(sealed_version()));
  std::uint64_t offset = 0;
  try {
    for (const auto& [key, value] : contents.metadata) {
      SOMA_REQUIRE(keys.insert(key).second);
      text += fmt::format(",{}:{}", quoted(key), quoted(value));
    }
    text += '}';
    for (const Tensor& tensor : contents.tensors) {
      SOMA_REQUIRE(names.insert(tensor.name).second);
      SOMA_REQUIRE(static_cast<std::uint64_t>(elements(tensor.shape)) == tensor.values.size());
      const std::uint64_t end = offset + tensor.values.size() * sizeof(float);
      text += fmt::format(R"(,{}:{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})", quoted(tensor.name),
                          fmt::join(tensor.shape, ","), offset, end);
      offset = end;
    }
  } catch (const nlohmann::json::type_error&) {
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted names and words in UTF-8, got other bytes; try renaming", file.string())};
  }
  text += '}';
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  if (text.size() > kLongestHeader)
    return Error{Error::Kind::data, fmt::format("{}: wanted a header of at most {} bytes, got {}; try fewer words", file.string(),
                                                kLongestHeader, text.size())};

  const std::uint64_t length = text.size();
  const auto header_bytes = std::as_bytes(std::span(text));
  std::vector<std::span<const std::byte>> chunks = {std::as_bytes(std::span(&length, 1)),
                                                    header_bytes.first(kSafetensorsSeal.size()),
                                                    header_bytes.subspan(kSafetensorsSeal.size() + kSha256Digits)};
  for (const Tensor& tensor : contents.tensors) chunks.push_back(std::as_bytes(std::span(tensor.values)));
  const std::string digits = sha256(chunks);
  chunks.insert(chunks.begin() + 2, std::as_bytes(std::span(digits)));
  return write_file(file, chunks);
}

}  // namespace soma
