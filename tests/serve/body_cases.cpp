// nothing → bodies of POST /, rightful and not, with the answers that docs/serving.md gives them.
#include "serve/body_cases.h"

#include <libdeflate.h>

#include <cstdint>
#include <cstring>

namespace soma::test {
namespace {

using namespace std::string_literals;

std::string big_endian(std::size_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string chunk(const std::string& kind, const std::string& data) {
  const std::string counted = kind + data;
  return big_endian(data.size()) + counted + big_endian(libdeflate_crc32(0, counted.data(), counted.size()));
}

std::string png_head(std::size_t width, std::size_t height) {
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", big_endian(width) + big_endian(height) + "\x08\0\0\0\0"s);
}

/// A gray picture as a PNG, with as long a comment as makes it `size` bytes.
std::string png(std::size_t width, std::size_t height, const std::string& pixels, std::size_t size = 0) {
  std::string rows;
  for (std::size_t y = 0; y < height; ++y) rows += '\0' + pixels.substr(y * width, width);
  libdeflate_compressor* engine = libdeflate_alloc_compressor(9);
  std::string packed(rows.size() + 1000, '\0');
  packed.resize(libdeflate_zlib_compress(engine, rows.data(), rows.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(engine);
  const std::string head = png_head(width, height);
  const std::string tail = chunk("IDAT", packed) + chunk("IEND", "");
  const std::size_t bare = head.size() + tail.size() + 12 + 2;
  return head + (size > bare ? chunk("tEXt", "C" + std::string(1, '\0') + std::string(size - bare, 'x')) : "") + tail;
}

std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
  std::string head = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  head.resize(117, ' ');
  return "\x93NUMPY\x01\0"s + static_cast<char>(head.size() + 1) + '\0' + head + "\n" + data;
}

std::string floats(const std::string& bytes) {
  std::string all;
  for (const char byte : bytes) {
    const auto value = static_cast<float>(static_cast<unsigned char>(byte));
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    all.append(raw, sizeof value);
  }
  return all;
}

std::string numbers(const std::string& bytes) {
  std::string all;
  for (const char byte : bytes) all += (all.empty() ? "" : ",") + std::to_string(static_cast<unsigned char>(byte));
  return all + "\n";
}

/// JSON: rows of so many numbers.
std::string nested(const std::string& bytes, std::size_t width) {
  std::string all;
  for (std::size_t i = 0; i < bytes.size(); i += width) all += (i > 0 ? ",[" : "[") + numbers(bytes.substr(i, width)) + "]";
  return "[" + all + "]";
}

std::string form(const std::string& body, const std::string& fields = "Content-Disposition: form-data; name=f; filename=a\r\n") {
  return "--x\r\n" + fields + "\r\n" + body + "\r\n--x--\r\n";
}

/// UTF-16, the low byte first, behind its mark.
std::string wide(const std::string& text) {
  std::string all = "\xff\xfe";
  for (const char c : text) all += {c, '\0'};
  return all;
}

}  // namespace

std::string picture_bytes() {
  std::string bytes;
  for (int i = 0; i < 784; ++i) bytes += static_cast<char>(i * i % 251);
  return bytes;
}

std::string table_row() { return "5.1,3.5,1.4,0.2"; }

const std::vector<BodyCase>& body_cases() {
  const std::string picture = picture_bytes(), row = table_row(), forms = "Content-Type: multipart/form-data; boundary=x\r\n";
  static const std::vector<BodyCase> cases = {
      {"Raw", Served::picture, picture, "", 200, true},
      {"RawAsAForm", Served::picture, picture, "Content-Type: application/x-www-form-urlencoded\r\n", 200, true},
      {"RawInAForm", Served::picture, form(picture), forms, 200, true},
      {"RawInAFormOfTwoBoundaries", Served::picture, form(picture),
       "Content-Type: multipart/form-data; boundary=x; boundary=y\r\n", 400},
      {"RawInAFormOfAnOddBoundary", Served::picture, form(picture), "Content-Type: multipart/form-data; boundary=x y\r\n", 400},
      {"RawInAFormWithoutName", Served::picture, form(picture, "Content-Disposition: form-data\r\n"), forms, 400},
      {"RawInAFormOfTwoNames", Served::picture, form(picture, "Content-Disposition: form-data; name=f; name=g\r\n"), forms, 400},
      {"RawInAFormWithoutFields", Served::picture, form(picture, ""), forms, 400},
      {"RawInAFormThatIsAnAttachment", Served::picture, form(picture, "Content-Disposition: attachment; name=f\r\n"), forms, 400},
      {"RawInAFormWithTwoTypes", Served::picture,
       form(picture, "Content-Disposition: form-data; name=f\r\nContent-Type: image/png\r\ncontent-type: text/csv\r\n"), forms,
       400},
      {"RawInAFormWithTwoDispositions", Served::picture,
       form(picture, "Content-Disposition: form-data; name=f\r\nContent-Disposition: form-data; name=g\r\n"), forms, 400},
      {"RawInAFormAsBase64", Served::picture,
       form(picture, "Content-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: base64\r\n"), forms, 400},
      {"RawInAFormThatGoesOn", Served::picture, form(picture) + "--x--", forms, 200, true},
      {"RawInAFormWithAnOddEnd", Served::picture, form(picture).replace(form(picture).size() - 2, 2, "!\r\n"), forms, 400},
      {"RawInAFormWithAQuoteInItsName", Served::picture,
       form(picture, "Content-Disposition: form-data; filename=\"a\\\";name=g\"; name=\"f\"\r\n"), forms, 200, true},
      {"RawOfWhite", Served::picture, std::string(784, '\xff'), "", 200},
      {"RawOfPrintableBytes", Served::picture, std::string(784, '\xc8'), "", 200},
      {"RawAndOne", Served::picture, picture + "x", "", 400},
      {"Floats", Served::picture, floats(picture), "", 200, true},
      {"Numbers", Served::picture, numbers(picture), "", 200, true},
      {"ListOfNumbers", Served::picture, "[" + numbers(picture) + "]", "", 200, true},
      {"RowsOfNumbers", Served::picture, nested(picture, 28), "", 200, true},
      {"RowsOfAnotherWidth", Served::picture, nested(picture, 56), "", 400},
      {"RaggedRows", Served::picture, "[[1],[" + numbers(picture.substr(1)) + "]]", "", 400},
      {"NumbersBesideLists", Served::picture, "[1,[" + numbers(picture.substr(1)) + "]]", "", 400},
      {"ListsBesideNumbers", Served::picture, "[[" + numbers(picture.substr(1)) + "],1]", "", 400},
      {"Png", Served::picture, png(28, 28, picture), "", 200, true},
      {"PngOf784Bytes", Served::picture, png(28, 28, std::string(784, '\x11'), 784), "", 200},
      {"PngOf3136Bytes", Served::picture, png(28, 28, picture, 3136), "", 200, true},
      {"PngOf1x1", Served::picture, png(1, 1, "\x7f"), "", 200},
      {"PngOf16384x1", Served::picture, png(16384, 1, std::string(16384, '\x7f')), "", 200},
      {"PngOf1x16384", Served::picture, png(1, 16384, std::string(16384, '\x7f')), "", 200},
      {"PngTooWide", Served::picture, png(16385, 1, std::string(16385, '\x7f')), "", 400},
      {"PngOf65535x65535", Served::picture, png_head(65535, 65535) + chunk("IDAT", ""), "", 400},
      {"PngOfZeros", Served::picture, "\x89PNG"s + std::string(100, '\0'), "", 400},
      {"Npy", Served::picture, npy("|u1", "1, 28, 28", picture), "", 200, true},
      {"NpyOfFloats", Served::picture, npy("<f4", "1, 28, 28", floats(picture)), "", 200, true},
      {"NpyOfManyRows", Served::picture, npy("<f4", "1000000000000, 28, 28", ""), "", 400},
      {"NpyOfNoRows", Served::picture, npy("<f4", "0, 28, 28", ""), "", 400},
      {"NpyCut", Served::picture, npy("|u1", "1, 28, 28", picture.substr(1)), "", 400},
      {"Gif", Served::picture, "GIF89a\x1c\0\x1c\0"s + std::string(96, '\x80'), "", 400},
      {"Pgm", Served::picture, "P5 28 28 255\n" + picture, "", 400},
      {"Svg", Served::picture, "<svg/>", "", 400},
      {"Empty", Served::picture, "", "", 400},
      {"Text", Served::picture, std::string(784, 'a'), "", 400},

      {"Row", Served::table, row, "", 200, true},
      {"RowWithLf", Served::table, row + "\n", "", 200, true},
      {"RowWithTwoLf", Served::table, row + "\n\n", "", 200, true},
      {"RowWithCrlf", Served::table, row + "\r\n", "", 200, true},
      {"RowOf16Bytes", Served::table, row + "0", "", 200, true},
      {"RowAsAForm", Served::table, row + "\n", "Content-Type: application/x-www-form-urlencoded\r\n", 200, true},
      {"RowInAForm", Served::table, form(row), forms, 200, true},
      {"RowBehindAMark", Served::table, "\xef\xbb\xbf" + row, "", 200, true},
      {"RowInUtf16", Served::table, wide(row), "", 200, true},
      {"RowInUtf16BySaying", Served::table, wide(row), "Content-Type: text/csv; charset=UTF-16\r\n", 200, true},
      {"RowInUtf16BySayingOther", Served::table, wide(row), "Content-Type: text/csv; charset=utf-8\r\n", 400},
      {"RowInUtf8BySaying", Served::table, row, "Content-Type: text/csv; charset=\"utf-8\"\r\n", 200, true},
      {"RowInACharsetNobodyKnows", Served::table, row, "Content-Type: text/csv; charset=utf-7\r\n", 400},
      {"RowInTwoCharsets", Served::table, row, "Content-Type: text/csv; charset=utf-8; charset=utf-16\r\n", 400},
      {"RowOfJsonInAnotherCharset", Served::table, "[" + row + "]", "Content-Type: application/json; charset=utf-16\r\n", 400},
      {"RowOfJsonInUtf8", Served::table, "[" + row + "]", "Content-Type: application/json; charset=utf-8\r\n", 200, true},
      {"RowWithUnderscore", Served::table, "5_1,3.5,1.4,0.2", "", 400},
      {"RowOfWideDigits", Served::table, "\xef\xbc\x95,3.5,1.4,0.2", "", 400},
      {"RowInHex", Served::table, "0x5,3.5,1.4,0.2", "", 400},
      {"RowOfColumnTwice", Served::table, R"({"a":5.1,"a":5.1,"b":3.5,"c":1.4,"d":0.2})", "", 400},
      {"RowUnderTheSameNameTwice", Served::table, "a,b,c,d,a\n5.1,3.5,1.4,0.2,9\n", "", 400},
      {"RowWithSemicolons", Served::table, "5.10;3.5;1.4;0.2\n", "", 200, true},
      {"RowWithSpaces", Served::table, "5.1 3.5 1.4 0.2\n", "", 200, true},
      {"RowUnderNames", Served::table, "a,b,c,d\n" + row + "\n", "", 200, true},
      {"RowUnderOtherOrder", Served::table, "d,c,b,a\n0.2,1.4,3.5,5.1\n", "", 200, true},
      {"RowOfObject", Served::table, R"({"d":0.2,"a":5.1,"c":1.4,"b":3.5})", "", 200, true},
      {"RowUnderOtherNames", Served::table, "A,B,C,D\n" + row + "\n", "", 400},
      {"RowUnderNamesOfAnother", Served::table, "w,x,y,z\n" + row + "\n", "", 400},
      {"RowOfCounting", Served::table, "0,1,2,3\n0,1,2,3\n", "", 200},
      {"RowWithThousands", Served::table, "1,000,3.5,1.4,0.2\n", "", 400},
      {"RowNested", Served::table, "[[5.1,3.5,1.4,0.2]]", "", 200, true},
      {"RowAndNothing", Served::table, "[[5.1,3.5,1.4,0.2],[]]", "", 400},
      {"TwoRows", Served::table, row + "\n6.3,3.3,6.0,2.5\n", "", 200},
      {"RowOfFloats", Served::table, "\x33\x33\xa3\x40\x00\x00\x60\x40\x33\x33\xb3\x3f\xcd\xcc\x4c\x3e"s, "", 200, true},
      {"RowOfNan", Served::table, "\0\0\xc0\x7f\0\0\xc0\x7f\0\0\xc0\x7f\0\0\xc0\x7f"s, "", 400},
      {"ThreeColumns", Served::table, "5.1,3.5,1.4\n", "", 400},
      {"FiveColumns", Served::table, "5.1,3.5,1.4,0.2,9\n", "", 400},
      {"FiveColumnsWithItsLabel", Served::table, row + ",y\n", "", 200, true},
      {"SixColumns", Served::table, "5.1,3.5,1.4,0.2,9,9\n", "", 400},
      {"TooLarge", Served::table, "1e39,3.5,1.4,0.2", "", 400},
      {"FarTooLarge", Served::table, "1e999,3.5,1.4,0.2", "", 400},
      {"Nan", Served::table, "nan,3.5,1.4,0.2", "", 400},
      {"Infinite", Served::table, "5.1,inf,1.4,0.2", "", 400},
      {"Word", Served::table, "5.1,x,1.4,0.2", "", 400},
      {"NumbersOfAPicture", Served::table, numbers(picture), "", 400},
  };
  return cases;
}

}  // namespace soma::test
