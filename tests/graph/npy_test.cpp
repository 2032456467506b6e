// typed arrays ↔ .npy bytes: every element type, any rank, text, Fortran order; damaged headers in one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/array.h"
#include "model/scratch.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string npy(const std::string& header, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + data;
}

TEST(NpyArray, ComesBackAsItWas) {
  const Scratch scratch;
  for (const TypedArray& array :
       {array_of<float>({2, 1, 2}, {1, -2, 3, 4}), array_of<double>({}, {0.5}), array_of<std::int8_t>({3}, {-1, 0, 127}),
        array_of<std::uint64_t>({1}, {~std::uint64_t{0}}), array_of<std::int64_t>({0, 3}, {})}) {
    ASSERT_TRUE(write_array(array, scratch / "a.npy").ok());
    const TypedArray back = read_array(scratch / "a.npy").value();
    EXPECT_EQ(back.type, array.type);
    EXPECT_EQ(back.extents, array.extents);
    EXPECT_EQ(back.bytes, array.bytes);
  }
}

TEST(NpyArray, TextIsOfFixedWidthAndUnicode) {
  const Scratch scratch;
  const TypedArray words{ElementType::string, {2, 2}, {}, {"ja", "", "größer", "\xF0\x9F\x99\x82"}};
  ASSERT_TRUE(write_array(words, scratch / "a.npy").ok());
  EXPECT_THAT(read_array(scratch / "a.npy").value().strings, ElementsAre("ja", "", "größer", "\xF0\x9F\x99\x82"));
}

TEST(NpyArray, BfloatIsWrittenAsFloat) {
  const Scratch scratch;
  const TypedArray half{ElementType::bf16, {1}, {std::byte{0x80}, std::byte{0x3F}}, {}};
  ASSERT_TRUE(write_array(half, scratch / "a.npy").ok());
  EXPECT_EQ(read_array(scratch / "a.npy").value().bytes, array_of<float>({1}, {1}).bytes);
}

TEST(NpyArray, FortranOrderIsTurned) {
  const auto array =
      parse_array(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", {0, 3, 1, 4, 2, 5}), "f").value();
  EXPECT_EQ(array.bytes, array_of<std::uint8_t>({6}, {0, 1, 2, 3, 4, 5}).bytes);
}

TEST(NpyArray, RefusesInOneLine) {
  const auto problem = [](const std::string& bytes) {
    const auto array = parse_array(bytes, "f.npy");
    return array ? std::string("taken") : array.error().message;
  };
  EXPECT_EQ(problem("no array"), "f.npy: wanted an NPY file, got something else; try numpy.save");
  EXPECT_THAT(problem(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "1234")),
              HasSubstr("wanted 2 elements of 4 bytes, got 4 bytes"));
  EXPECT_THAT(problem(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "1234")),
              HasSubstr("little-endian, got '>f4'"));
  EXPECT_THAT(problem(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "1234")), HasSubstr("got '|O'"));
  EXPECT_THAT(problem(npy("{'descr': '|u1', 'shape': (9223372036854775807, 9223372036854775807), }", "")),
              HasSubstr("elements of 1 bytes"));
  EXPECT_THAT(problem(npy("{'descr': '<U0', 'shape': (99999999999,), }", "")), HasSubstr("got 0 bytes"));
  const std::string whole = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "1234");
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(parse_array(whole.substr(0, n), "f").ok()) << n;
}

}  // namespace
}  // namespace soma
