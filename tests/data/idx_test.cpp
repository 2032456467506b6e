// IDX files, right and wrong → what is read, what is said.
#include "data/idx.h"

#include <libdeflate.h>
#include <rapidcheck.h>

#include "data/gzip.h"
#include "data/scratch.h"

namespace soma {
namespace {

using test::idx;
using test::message;
using test::Scratch;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

std::string gzip(std::string_view bytes) {
  libdeflate_compressor* packer = libdeflate_alloc_compressor(6);
  std::string packed(libdeflate_gzip_compress_bound(packer, bytes.size()), '\0');
  packed.resize(libdeflate_gzip_compress(packer, bytes.data(), bytes.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(packer);
  return packed;
}

TEST(Idx, ReadsWhatTheHeaderPromises) {
  const Result<IdxArray> array = parse_idx(idx({2, 1, 3}, "abcdef"), "x");
  ASSERT_TRUE(array.ok()) << message(array);
  EXPECT_THAT(array->extents, ElementsAre(2, 1, 3));
  EXPECT_THAT(array->values, ElementsAre('a', 'b', 'c', 'd', 'e', 'f'));
}

TEST(Idx, EveryLieIsNamed) {
  EXPECT_EQ(message(parse_idx("ab", "x")), "x: wanted an IDX header of 4 bytes, got 2");
  EXPECT_EQ(message(parse_idx("PK\x03\x04", "x")), "x: wanted an IDX file (first bytes 00 00), got 50 4b");
  EXPECT_EQ(message(parse_idx(std::string("\0\0\x0a\x01", 4), "x")),
            "x: wanted IDX values of type 08, 09, 0B, 0C, 0D or 0E, got 0A");
  EXPECT_EQ(message(parse_idx(std::string("\0\0\x08\x05", 4), "x")), "x: wanted 1 to 4 IDX dimensions, got 5");
  EXPECT_EQ(message(parse_idx(std::string("\0\0\x08\x00", 4), "x")), "x: wanted 1 to 4 IDX dimensions, got 0");
  EXPECT_EQ(message(parse_idx(std::string("\0\0\x08\x03\0\0", 6), "x")), "x: wanted an IDX header of 16 bytes, got 6");
  EXPECT_EQ(message(parse_idx(idx({3, 28, 28}, "short"), "x")),
            "x: IDX header promises 3×28×28 = 2352 bytes, got 5; try to download it again");
  EXPECT_EQ(message(parse_idx(idx({1, 1, 1}, "long"), "x")),
            "x: IDX header promises 1×1×1 = 1 bytes, got 4; try to download it again");
  EXPECT_THAT(message(parse_idx(idx({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, ""), "x")),
              HasSubstr("= too many bytes, got 0"));
}

TEST(Idx, TheSmallestCutIsSeen) {
  const std::string whole = idx({2, 2, 2}, "abcdefgh");
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(parse_idx(whole.substr(0, length), "x").ok()) << length;
  EXPECT_TRUE(parse_idx(whole, "x").ok());
}

TEST(Idx, ImagesWithLabelsPlainAndGz) {
  const Scratch scratch;
  const auto images = scratch.write("a-images-idx3-ubyte", idx({2, 1, 2}, "\x01\x02\x03\x04"));
  scratch.write("a-labels-idx1-ubyte.gz", gzip(idx({2}, std::string("\x02\x00", 2))));
  const Result<Dataset> data = load_dataset(images.string());
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->count, 2);
  EXPECT_THAT(data->shape, ElementsAre(1, 1, 2));
  EXPECT_THAT(data->bytes, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(data->labels, ElementsAre(1, 0));
  EXPECT_THAT(data->class_names, ElementsAre("0", "2"));
  EXPECT_TRUE(data->floats.empty());
}

TEST(Idx, LabelsMustFit) {
  const Scratch scratch;
  const auto images = scratch.write("images-idx3-ubyte", idx({2, 1, 1}, "ab"));
  EXPECT_THAT(message(load_dataset(images.string())),
              HasSubstr("wanted its labels beside it in labels-idx1-ubyte, got no such file"));
  scratch.write("labels-idx1-ubyte", idx({3}, "\x01\x01\x01"));
  EXPECT_THAT(message(load_dataset(images.string())), EndsWith("labels-idx1-ubyte: wanted 2 labels, one per sample, got 3"));
  scratch.write("labels-idx1-ubyte", idx({2}, "\x01\x07"));
  DataOptions options;
  options.class_names = {"no", "yes"};
  EXPECT_THAT(message(load_dataset(images.string(), options)), HasSubstr("sample 1: wanted a label from 0 to 1, got 7"));
  EXPECT_TRUE(load_dataset(images.string()).ok());
  EXPECT_THAT(message(load_dataset((scratch.path() / "labels-idx1-ubyte").string())), HasSubstr("wanted its labels beside it"));
}

TEST(Idx, TheFourMnistFilesAreADirectoryWithTenClasses) {
  const Scratch scratch;
  scratch.write("train-images-idx3-ubyte", idx({1, 1, 1}, "a"));
  scratch.write("train-labels-idx1-ubyte", idx({1}, "\x03"));
  const Result<Dataset> data = load_dataset(scratch.path().string());
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->class_names.size(), 10U);
  scratch.write("train-labels-idx1-ubyte", idx({1}, "\x0a"));
  EXPECT_THAT(message(load_dataset(scratch.path().string())), HasSubstr("wanted a label from 0 to 9, got 10"));
}

TEST(Idx, AnEmptySetIsAnError) {
  const Scratch scratch;
  const auto images = scratch.write("images-idx3-ubyte", idx({0, 28, 28}, ""));
  scratch.write("labels-idx1-ubyte", idx({0}, ""));
  EXPECT_THAT(message(load_dataset(images.string())), EndsWith("wanted at least one sample, got none"));
}

TEST(Idx, WhatIsWrittenIsReadBack) {
  const Scratch scratch;
  EXPECT_TRUE(rc::check([&] {
    Dataset data;
    data.shape = {*rc::gen::element<std::int64_t>(1, 3), *rc::gen::inRange<std::int64_t>(1, 4),
                  *rc::gen::inRange<std::int64_t>(1, 4)};
    data.count = *rc::gen::inRange<std::int64_t>(1, 5);
    data.bytes = *rc::gen::container<std::vector<std::uint8_t>>(static_cast<std::size_t>(data.count * data.sample_size()),
                                                                rc::gen::arbitrary<std::uint8_t>());
    data.labels = *rc::gen::container<std::vector<std::int32_t>>(static_cast<std::size_t>(data.count), rc::gen::inRange(0, 4));
    data.class_names = {"a", "b", "c", "d"};
    const auto images = scratch.path() / "images-idx3-ubyte", labels = scratch.path() / "labels-idx1-ubyte";
    RC_ASSERT(write_idx(data, images, labels).ok());
    DataOptions options;
    options.class_names = data.class_names;
    const Result<Dataset> back = load_dataset(images.string(), options);
    RC_ASSERT(back.ok());
    RC_ASSERT(back->bytes == data.bytes);
    RC_ASSERT(back->labels == data.labels);
    RC_ASSERT(back->shape == data.shape);
    RC_ASSERT(back->count == data.count);
  }));
}

TEST(Idx, TablesAreNotWritten) {
  Dataset table;
  table.name = "iris";
  table.floats = {1};
  EXPECT_THAT(message(write_idx(table, "a", "b")), HasSubstr("iris: wanted images of bytes, got a table of numbers"));
}

TEST(Gzip, RoundTripAndSeveralMembers) {
  EXPECT_TRUE(rc::check([](const std::string& a, const std::string& b) {
    const Result<std::string> both = gunzip(gzip(a) + gzip(b), "x");
    RC_ASSERT(both.ok());
    RC_ASSERT(*both == a + b);
  }));
}

TEST(Gzip, DamageAndBombsAreRefused) {
  const std::string packed = gzip(std::string(100000, 'a'));
  EXPECT_THAT(message(gunzip(packed, "x", 1000)), "x: wanted at most 1000 bytes unpacked, got more");
  for (std::size_t length = 0; length < packed.size(); ++length)
    EXPECT_FALSE(gunzip(packed.substr(0, length), "x").ok()) << length;
  EXPECT_THAT(message(gunzip(packed.substr(0, packed.size() - 1), "x")), HasSubstr("x: gzip data is damaged or cut short"));
  EXPECT_EQ(message(gunzip(packed + "rest", "x")),
            "x: gzip data is followed by 4 bytes of something else; try to download it again");
  std::string lying = packed;
  lying.back() = '\x7f';  // the promised size, 2 GB more
  EXPECT_FALSE(gunzip(lying, "x").ok());
}

TEST(Idx, EveryType) {
  const auto numbers = [](const std::string& bytes) { return parse_idx(bytes, "x").value().numbers; };
  EXPECT_THAT(numbers(std::string("\0\0\x09\x01\0\0\0\x02\xff\x7f", 10)), ElementsAre(-1, 127));
  EXPECT_THAT(numbers(std::string("\0\0\x0b\x01\0\0\0\x01\xff\xfe", 10)), ElementsAre(-2));
  EXPECT_THAT(numbers(std::string("\0\0\x0c\x01\0\0\0\x01\0\x01\0\0", 12)), ElementsAre(65536));
  EXPECT_THAT(numbers(std::string("\0\0\x0d\x01\0\0\0\x01\x3f\x80\0\0", 12)), ElementsAre(1));
  EXPECT_THAT(numbers(std::string("\0\0\x0e\x01\0\0\0\x01\xc0\0\0\0\0\0\0\0", 16)), ElementsAre(-2));
}

}  // namespace
}  // namespace soma
