// bytes → NpyArray: NumPy arrays, .npy versions 1 to 3. Trusts no length field.
#include "data/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "data/encoding.h"

namespace soma {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMostDimensions = 4;
constexpr std::size_t kMostBytes = std::size_t{1} << 46;  // beyond what any file holds, and times an extent no overflow

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

/// Values stored first axis fastest → last axis fastest.
template <class T>
void in_c_order(std::vector<T>& values, const Shape& extents) {
  const std::size_t rank = extents.size();
  std::vector<std::size_t> step(rank), place(rank);
  for (std::size_t d = 0, stride = 1; d < rank; ++d) {
    step[d] = stride;
    stride *= static_cast<std::size_t>(extents[d]);
  }
  std::vector<T> ordered(values.size());
  std::size_t at = 0;
  for (T& value : ordered) {
    value = values[at];
    for (std::size_t d = rank; d-- > 0;) {  // the next place, last axis first
      at += step[d];
      if (++place[d] < static_cast<std::size_t>(extents[d])) break;
      at -= step[d] * place[d];
      place[d] = 0;
    }
  }
  values = std::move(ordered);
}

template <class T>
std::vector<T> numbers_of(const NpyView& view, void (*convert)(const char*, std::size_t, bool, T*) noexcept) {
  std::vector<T> values(view.values.size() / view.type->size);
  convert(view.values.data(), values.size(), view.swapped, values.data());
  if (view.fortran) in_c_order(values, view.extents);
  return values;
}

/// The first number that is not finite as a float is named.
Result<void> check_finite(const std::vector<double>& numbers, std::string_view origin) {
  const auto bad =
      std::find_if(numbers.begin(), numbers.end(), [](double x) { return !(std::abs(x) <= static_cast<double>(FLT_MAX)); });
  if (bad == numbers.end()) return {};
  return wrong(origin, fmt::format("value {}: wanted a finite number, got {}", bad - numbers.begin(), *bad));
}

/// Strings of a fixed number of characters, filled up with zeros: U is UTF-32, S bytes.
void take_words(const NpyView& view, NpyArray& array) {
  const bool wide = view.wide;
  for (std::size_t start = 0; start < view.values.size(); start += view.word) {
    std::string& word = array.words.emplace_back();
    for (std::size_t at = start; at < start + view.word; at += wide ? 4 : 1) {
      std::uint32_t c = static_cast<unsigned char>(view.values[at]);
      for (std::size_t i = 1; wide && i < 4; ++i)
        c = view.swapped ? c << 8 | static_cast<unsigned char>(view.values[at + i])
                         : c | static_cast<std::uint32_t>(static_cast<unsigned char>(view.values[at + i])) << 8 * i;
      if (c == 0) break;
      if (wide)
        append_utf8(word, c);
      else
        word += static_cast<char>(c);
    }
  }
}

}  // namespace

bool is_npy(std::string_view bytes) { return bytes.starts_with(kMagic); }

Result<NpyView> view_npy(std::string_view bytes, std::string_view origin, bool labels) {
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
  const std::string_view type = header->type.substr(std::min(header->type.find_first_not_of("<>|="), header->type.size()));
  NpyView view{header->extents, number_type(type), header->type.starts_with('>'), header->fortran, 0, false, {}};
  if (labels && type.size() > 1 && (type[0] == 'U' || type[0] == 'S') && header->extents.size() == 1) {
    view.wide = type[0] == 'U';
    std::from_chars(type.data() + 1, type.data() + type.size(), view.word);
    view.word = view.word > 1 << 16 ? 0 : view.word * (view.wide ? 4 : 1);
  }
  const std::size_t size = view.type != nullptr ? view.type->size : view.word;
  if (size == 0)
    return wrong(origin,
                 fmt::format("wanted numbers of type b1, u1 to u8, i1 to i8 or f2 to f8, got '{}'; try array.astype('f4')",
                             header->type.substr(0, 20)));
  if (header->extents.size() > kMostDimensions)
    return wrong(origin, fmt::format("wanted at most {} dimensions, got {}", kMostDimensions, header->extents.size()));

  view.values = bytes.substr(prefix + length);
  std::size_t promised = size;
  bool absurd = false;
  for (const std::int64_t extent : header->extents) {
    absurd = absurd || (extent != 0 && promised > kMostBytes / static_cast<std::size_t>(extent));
    promised = absurd ? promised : promised * static_cast<std::size_t>(extent);
  }
  if (absurd || promised != view.values.size())
    return wrong(origin, fmt::format("NPY header promises {} = {} bytes, got {}", to_string(header->extents),
                                     absurd ? "too many" : std::to_string(promised), view.values.size()));
  return view;
}

Result<NpyArray> read_npy(const NpyView& view, std::string_view origin, bool labels) {
  NpyArray array;
  array.extents = view.extents;
  if (view.type == nullptr) {
    take_words(view, array);
  } else if (view.bytes() && !labels) {
    array.bytes.assign(view.values.begin(), view.values.end());
    if (view.fortran) in_c_order(array.bytes, view.extents);
  } else if (labels || view.type->integers == nullptr) {
    array.numbers = numbers_of(view, view.type->doubles);
    if (const Result<void> finite = check_finite(array.numbers, origin); !finite) return finite.error();
    const auto whole = [](double x) { return std::abs(x) < 0x1p53 && x == std::floor(x); };
    if (labels && view.type->integers != nullptr)
      array.integers = numbers_of(view, view.type->integers);
    else if (labels && std::all_of(array.numbers.begin(), array.numbers.end(), whole))
      array.integers.assign(array.numbers.begin(), array.numbers.end());
    if (!labels) {
      array.floats.assign(array.numbers.begin(), array.numbers.end());
      array.numbers = {};
    }
  } else {
    array.floats = numbers_of(view, view.type->floats);
  }
  return array;
}

Result<NpyArray> parse_npy(std::string_view bytes, std::string_view origin, bool labels) {
  const Result<NpyView> view = view_npy(bytes, origin, labels);
  return view ? read_npy(*view, origin, labels) : view.error();
}

}  // namespace soma
