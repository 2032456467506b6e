// .npy ↔ TypedArray (numpy.lib.format): any rank and element type. Trusts no length.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <type_traits>

#include "core/file.h"
#include "core/text.h"
#include "graph/array.h"
#include "graph/convert.h"
#include "graph/extents.h"

namespace soma {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMostExtents = 32;
constexpr std::size_t kLongestText = std::size_t{1} << 20;  // characters of one element

struct Named {
  std::string_view word;  // what stands behind < or |
  ElementType type;
};
constexpr std::array<Named, 12> kNames = {{{"f4", ElementType::f32},
                                           {"f8", ElementType::f64},
                                           {"f2", ElementType::f16},
                                           {"i1", ElementType::i8},
                                           {"i2", ElementType::i16},
                                           {"i4", ElementType::i32},
                                           {"i8", ElementType::i64},
                                           {"u1", ElementType::u8},
                                           {"u2", ElementType::u16},
                                           {"u4", ElementType::u32},
                                           {"u8", ElementType::u64},
                                           {"b1", ElementType::boolean}}};

void append(std::string& text, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) return put(0xC0 | point >> 6), put(0x80 | (point & 0x3F));
  if (point < 0x10000) return put(0xE0 | point >> 12), put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
  put(0xF0 | (point >> 18 & 7)), put(0x80 | (point >> 12 & 0x3F)), put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
}

/// UTF-8 → code points; bytes that are none stand for themselves.
std::vector<std::uint32_t> points_of(const std::string& text) {
  std::vector<std::uint32_t> points;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(text[at])}; };
    const std::uint32_t first = byte(i);
    const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    if (more == 0 || i + more >= text.size()) {
      points.push_back(first);
      ++i;
      continue;
    }
    std::uint32_t point = first & (0x3FU >> more);
    for (std::size_t k = 1; k <= more; ++k) point = point << 6 | (byte(i + k) & 0x3F);
    points.push_back(point);
    i += more + 1;
  }
  return points;
}

/// What the header's dictionary says.
struct Header {
  ElementType type = ElementType::f32;
  std::size_t width = 0;  // of one element
  bool fortran = false, text = false;
  Shape extents;
};

std::string_view entry(std::string_view dictionary, std::string_view key) {
  const std::size_t at = dictionary.find(key);
  if (at == std::string_view::npos) return {};
  const std::size_t value = dictionary.find_first_not_of(" :", at + key.size());
  return value == std::string_view::npos ? std::string_view() : dictionary.substr(value);
}

/// "" or what is wrong.
std::string parse_header(std::string_view dictionary, Header& header) {
  const std::string_view type = entry(dictionary, "'descr'"), order = entry(dictionary, "'fortran_order'"),
                         shape = entry(dictionary, "'shape'");
  const std::size_t quote = type.starts_with('\'') ? type.find('\'', 1) : std::string_view::npos;
  if (quote == std::string_view::npos || !shape.starts_with('('))
    return "wanted an NPY header with descr, fortran_order and shape, got another";
  const std::string_view whole = type.substr(1, quote - 1), word = whole.substr(whole.find_first_not_of("<|=") == 1 ? 1 : 0);
  header.fortran = order.starts_with("True");
  const auto* const named = std::find_if(kNames.begin(), kNames.end(), [&](const Named& each) { return each.word == word; });
  if (named != kNames.end()) {
    header.type = named->type;
    header.width = element_bytes(named->type);
  } else {
    std::size_t characters = 0;
    const auto [end, failure] =
        std::from_chars(word.data() + std::min<std::size_t>(1, word.size()), word.data() + word.size(), characters);
    if (!word.starts_with('U') || failure != std::errc() || end != word.data() + word.size() || characters > kLongestText)
      return fmt::format("wanted whole or real numbers, bool or text, little-endian, got '{}'", whole.substr(0, 20));
    header.type = ElementType::string;
    header.width = 4 * characters;
    header.text = true;
  }
  std::string_view rest = shape.substr(1);
  while (true) {
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == ',')) rest.remove_prefix(1);
    if (rest.starts_with(')')) return "";
    std::int64_t extent = -1;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), extent);
    if (failure != std::errc() || extent < 0 || header.extents.size() >= kMostExtents)
      return fmt::format("wanted a shape of at most {} extents, got another", kMostExtents);
    header.extents.push_back(extent);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  }
}

/// In Fortran order the first extent runs fastest.
TypedArray turned(const TypedArray& x) {
  TypedArray y = x;
  Shape strides(x.extents.size(), 1);
  for (std::size_t d = 1; d < strides.size(); ++d) strides[d] = strides[d - 1] * x.extents[d - 1];
  with_storage(x.type, [&]<class T>() {
    if constexpr (std::is_same_v<T, std::string>)
      copy_strided(x.extents, x.strings.data(), strides, y.strings.data(), strides_of(x.extents));
    else
      copy_strided(x.extents, reinterpret_cast<const T*>(x.bytes.data()), strides, reinterpret_cast<T*>(y.bytes.data()),
                   strides_of(x.extents));
  });
  return y;
}

}  // namespace

Result<TypedArray> parse_array(std::string_view bytes, std::string_view origin) {
  const auto wrong = [&](std::string_view what) {
    return Error{Error::Kind::data, one_line(fmt::format("{}: {}", origin, what))};
  };
  if (!bytes.starts_with(kMagic) || bytes.size() < 12) return wrong("wanted an NPY file, got something else; try numpy.save");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
  const std::size_t version = byte(6), prefix = version == 1 ? 10 : 12;
  if (version < 1 || version > 3) return wrong(fmt::format("wanted NPY version 1, 2 or 3, got {}", version));
  const std::size_t length = version == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  if (length > bytes.size() - prefix)
    return wrong(fmt::format("wanted an NPY header of {} bytes, got {}", length, bytes.size() - prefix));
  Header header;
  if (const std::string problem = parse_header(bytes.substr(prefix, length), header); !problem.empty()) return wrong(problem);
  const std::string_view values = bytes.substr(prefix + length);
  std::size_t count = 1;
  bool absurd = false;
  for (const std::int64_t extent : header.extents) {
    absurd = absurd || (extent != 0 && count > (std::size_t{1} << 40) / static_cast<std::size_t>(extent));
    count = absurd ? count : count * static_cast<std::size_t>(extent);
  }
  if (absurd || count * header.width != values.size() || (header.text && header.width == 0 && count > kLongestText))
    return wrong(
        fmt::format("wanted {} elements of {} bytes, got {} bytes", to_string(header.extents), header.width, values.size()));
  TypedArray array{header.type, header.extents, {}, {}};
  if (header.text) {
    for (std::size_t i = 0; i < count; ++i) {
      std::string& text = array.strings.emplace_back();
      for (std::size_t k = 0; k < header.width; k += 4) {
        std::uint32_t point = 0;
        std::memcpy(&point, values.data() + i * header.width + k, 4);
        if (point != 0) append(text, point);
      }
    }
  } else {
    const auto* first = reinterpret_cast<const std::byte*>(values.data());
    array.bytes.assign(first, first + values.size());
    // A bool is 0 or 1, or C++ may not look at it.
    if (header.type == ElementType::boolean)
      for (std::byte& each : array.bytes) each = each == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  return header.fortran && header.extents.size() > 1 ? turned(array) : array;
}

Result<TypedArray> read_array(const std::filesystem::path& file) {
  const auto bytes = read_file(file);
  if (!bytes) return bytes.error();
  return parse_array(*bytes, file.string());
}

Result<void> write_array(const TypedArray& array, const std::filesystem::path& file) {
  if (array.type == ElementType::bf16) {
    TypedArray wide{ElementType::f32, array.extents, std::vector<std::byte>(array.bytes.size() * 2), {}};
    convert_half({array.type, array.extents, const_cast<std::byte*>(array.bytes.data())},
                 {wide.type, wide.extents, wide.bytes.data()});
    return write_array(wide, file);
  }
  std::string type, data;
  if (array.type == ElementType::string) {
    std::vector<std::vector<std::uint32_t>> texts;
    std::size_t longest = 1;
    for (const std::string& text : array.strings) longest = std::max(longest, texts.emplace_back(points_of(text)).size());
    for (auto& points : texts) {
      points.resize(longest);
      data.append(reinterpret_cast<const char*>(points.data()), 4 * longest);
    }
    type = fmt::format("<U{}", longest);
  } else {
    const auto* const named =
        std::find_if(kNames.begin(), kNames.end(), [&](const Named& each) { return each.type == array.type; });
    type = fmt::format("{}{}", element_bytes(array.type) == 1 ? '|' : '<', named->word);
    data.assign(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  }
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", type,
                                   fmt::join(array.extents, ", "), array.extents.size() == 1 ? "," : "");
  header.append(63 - (header.size() + 10) % 64, ' ') += '\n';
  std::string contents(kMagic);
  contents += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  return write_file(file, contents + header + data);
}

}  // namespace soma
