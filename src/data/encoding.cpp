// bytes of a text file → UTF-8 with lines that end in LF or CRLF, and what it was; other kinds of file by their names.
#include "data/encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>

#include "core/text.h"

namespace soma {
namespace {

Error wrong(std::string_view origin, std::string_view message) {
  return {Error::Kind::data, fmt::format("{}: {}", origin, message)};
}

/// Files that people have and that are no table of text: how they begin, what they are, what to do.
struct Format {
  std::string_view magic, name, remedy;
};
constexpr std::array<Format, 10> kFormats = {{
    {"PK\x03\x04", "a ZIP archive (an Excel or LibreOffice table?)", "saving it as CSV"},
    {"\x89HDF\r\n", "an HDF5 file", "numpy.save of its arrays"},
    {"PAR1", "a Parquet file", "pandas.read_parquet(…).to_csv"},
    {"ARROW1", "an Arrow file", "pandas.read_feather(…).to_csv"},
    {"SQLite format 3", "an SQLite database", "sqlite3 -csv -header"},
    {"MATLAB 5.0", "a MATLAB file", "numpy.save of its arrays"},
    {"%PDF", "a PDF", "the table it shows as CSV"},
    {"\xd0\xcf\x11\xe0", "an old Excel table", "saving it as CSV"},
    {"\x28\xb5\x2f\xfd", "a zstd archive", "unpacking it"},
    {"\xfd\x37zXZ", "an xz archive", "unpacking it"},
}};

std::string lower_start(std::string_view text) {
  const std::size_t start = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  std::string head(text.substr(start, 16));
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return head;
}

/// A text that is no table, by name; "" when nothing speaks against one.
std::string other_text(std::string_view text) {
  // ARFF allows comments before its first word.
  std::string_view rest = text;
  while (!rest.empty() && (rest[0] == '%' || rest[0] == '\n' || rest[0] == '\r'))
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
  const std::string head = lower_start(rest);
  if (head.starts_with("@relation") || head.starts_with("@attribute"))
    return "an ARFF file; try the rows after @data as a CSV file, under a line of its attributes' names";
  if (head.starts_with("<!doctype") || head.starts_with("<html")) return "a web page; try to download the file itself";
  if (head.starts_with("<?xml")) return "XML; try a CSV file";
  if (head.starts_with("version https:")) return "a Git LFS pointer; try git lfs pull";
  const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
  if (head.starts_with("{\"") || head.starts_with("[{") || head.starts_with("[[")) return "JSON; try a CSV file";
  // libsvm: a label, then index:value pairs and nothing else.
  std::size_t pairs = 0, fields = 0;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t begin = line.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
    const std::string_view field = line.substr(begin, end - begin);
    const std::size_t colon = field.find(':');
    const bool pair = colon != std::string_view::npos && colon > 0 && colon + 1 < field.size() &&
                      field.find_first_not_of("0123456789") == colon &&
                      field.find_first_not_of("+-.0123456789eE", colon + 1) == std::string_view::npos;
    pairs += pair ? 1 : 0;
    ++fields;
    at = end;
  }
  if (pairs > 0 && pairs + 1 == fields && line.find(',') == std::string_view::npos)
    return "a libsvm file (label index:value …); try sklearn.datasets.load_svmlight_file and numpy.save";
  return "";
}

// Windows-1252, which nearly every file called Latin-1 is: the same but for these.
constexpr std::array<std::uint16_t, 32> kWindows = {
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
    0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178};

std::string from_latin1(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 16);
  for (const char byte : bytes) {
    const auto c = static_cast<std::uint32_t>(static_cast<unsigned char>(byte));
    append_utf8(text, c >= 0x80 && c < 0xa0 ? kWindows[c - 0x80] : c);
  }
  return text;
}

Result<std::string> from_utf16(std::string_view bytes, bool big, std::string_view origin) {
  if (bytes.size() % 2 != 0) return wrong(origin, "wanted UTF-16, two bytes a character, got an odd number of bytes");
  std::string text;
  text.reserve(bytes.size() / 2);
  const auto unit = [&](std::size_t at) {
    const auto a = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at]));
    const auto b = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + 1]));
    return big ? a << 8 | b : b << 8 | a;
  };
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    std::uint32_t c = unit(at);
    if (c >= 0xd800 && c < 0xe000) {
      const std::uint32_t low = c < 0xdc00 && at + 2 < bytes.size() ? unit(at + 2) : 0;
      if (low < 0xdc00 || low >= 0xe000) return wrong(origin, fmt::format("wanted UTF-16, got half a character at byte {}", at));
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
      at += 2;
    }
    append_utf8(text, c);
  }
  return text;
}

/// 'l' or 'b' when every second byte of the beginning is zero, as the characters of a table are in UTF-16; else 0.
char utf16_order(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, std::min<std::size_t>(bytes.size(), 64) & ~std::size_t{1});
  if (head.size() < 8) return 0;
  std::array<std::size_t, 2> zeros = {};
  for (std::size_t i = 0; i < head.size(); ++i) zeros[i % 2] += head[i] == '\0' ? 1 : 0;
  if (zeros[0] == 0 && zeros[1] == head.size() / 2) return 'l';
  return zeros[1] == 0 && zeros[0] == head.size() / 2 ? 'b' : '\0';
}

bool control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f';
}

void end_lines(std::string& text) {
  for (std::size_t at = text.find('\r'); at != std::string::npos; at = text.find('\r', at + 1))
    if (at + 1 == text.size() || text[at + 1] != '\n') text[at] = '\n';
}

}  // namespace

void append_utf8(std::string& text, std::uint32_t c) {
  const auto byte = [&](std::uint32_t x) { text += static_cast<char>(x); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) {
    byte(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      byte(0xe0 | c >> 12);
    } else {
      byte(0xf0 | c >> 18);
      byte(0x80 | (c >> 12 & 0x3f));
    }
    byte(0x80 | (c >> 6 & 0x3f));
  }
  byte(0x80 | (c & 0x3f));
}

Result<DecodedText> decode_text(std::string bytes, std::string_view origin, std::string_view encoding) {
  if (bytes.starts_with("PK\x03\x04") && bytes.substr(0, 256).find(".npy") != std::string::npos)
    return wrong(origin, "wanted samples, got an NPZ archive of several arrays; try numpy.save of one of them");
  for (const Format& format : kFormats)
    if (bytes.starts_with(format.magic))
      return wrong(origin, fmt::format("wanted a table of text, got {}; try {}", format.name, format.remedy));
  if (bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5)
    return wrong(origin, "wanted a table of text, got a Python pickle; try numpy.save of its arrays");

  DecodedText decoded{{}, std::string(encoding)};
  const bool marked = bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff");
  const char order = marked ? (bytes[0] == '\xff' ? 'l' : 'b') : utf16_order(bytes);
  if (decoded.encoding.empty()) decoded.encoding = order != 0 ? "utf-16" : is_utf8(bytes) ? "utf-8" : "latin-1";
  if (decoded.encoding == "utf-16") {
    Result<std::string> text = from_utf16(std::string_view(bytes).substr(marked ? 2 : 0), order == 'b', origin);
    if (!text) return text.error();
    decoded.text = std::move(*text);
  } else if (decoded.encoding == "latin-1") {
    if (encoding.empty())
      if (const auto bad = std::find_if(bytes.begin(), bytes.end(), control); bad != bytes.end())
        return wrong(origin, fmt::format("wanted a table of text, got byte {:02x} at {}; try a CSV file",
                                         static_cast<unsigned char>(*bad), bad - bytes.begin()));
    decoded.text = from_latin1(bytes);
  } else {
    if (!is_utf8(bytes)) return wrong(origin, "wanted UTF-8, got other bytes; try --set data.encoding=latin-1");
    if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);
    decoded.text = std::move(bytes);
  }
  if (const std::string other = other_text(decoded.text); !other.empty())
    return wrong(origin, "wanted a table of text, got " + other);
  end_lines(decoded.text);
  return decoded;
}

}  // namespace soma
