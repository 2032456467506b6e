// NPY headers and values, right and wrong → arrays, data sets and errors.
#include <rapidcheck.h>

#include <cstring>
#include <limits>

#include "data/arrays.h"
#include "data/npy_bytes.h"
#include "data/scratch.h"

namespace soma {
namespace {

using test::message;
using test::npy;
using test::npy_of;
using test::Scratch;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Npy, EveryTypeAndVersion) {
  for (const char version : std::string("\1\2\3")) {
    EXPECT_THAT(parse_npy(npy<std::uint8_t>("|u1", "(2, 2)", {1, 2, 3, 255}, version), "x")->bytes, ElementsAre(1, 2, 3, 255));
    EXPECT_THAT(parse_npy(npy<float>("<f4", "(1, 2)", {1.5F, -2}, version), "x")->floats, ElementsAre(1.5F, -2));
    EXPECT_THAT(parse_npy(npy<double>("<f8", "(2,)", {1.5, -2}, version), "x")->floats, ElementsAre(1.5F, -2));
    EXPECT_THAT(parse_npy(npy<std::int32_t>("<i4", "(2,)", {7, -8}, version), "x")->floats, ElementsAre(7, -8));
    EXPECT_THAT(parse_npy(npy<std::int64_t>("<i8", "(2,)", {7, -8}, version), "x", true)->integers, ElementsAre(7, -8));
  }
  EXPECT_TRUE(parse_npy(npy<float>("<f4", "()", {1}), "x")->extents.empty());
}

TEST(Npy, EveryLieIsNamed) {
  const auto error = [](const std::string& bytes) { return message(parse_npy(bytes, "x")); };
  EXPECT_EQ(error("\x93NUMPX    "), "x: wanted an NPY file, got something else");
  EXPECT_EQ(error(npy<float>("<f4", "(1,)", {1}, 9)), "x: wanted NPY version 1, 2 or 3, got 9");
  EXPECT_EQ(error(npy<float>("<f4", "(2, 3)", {1})), "x: NPY header promises 2×3 = 24 bytes, got 4");
  EXPECT_THAT(error(npy<float>("<f4", "(4294967296, 4294967296)", {1})), HasSubstr("= too many bytes, got 4"));
  EXPECT_THAT(error(npy<float>("<c8", "(1,)", {1, 0})), HasSubstr("got '<c8'"));
  EXPECT_THAT(error(npy<float>("|O", "(1,)", {1})), HasSubstr("got '|O'"));
  EXPECT_THAT(error(npy<float>("<f4", "(1,1,1,1,1)", {1})), HasSubstr("at most 4 dimensions"));
  EXPECT_THAT(error(npy<float>("<f4", "(-1,)", {1})), StartsWith("x: wanted an NPY header"));
  EXPECT_THAT(error(npy<float>("<f4", "(1", {1})), StartsWith("x: wanted an NPY header"));
  EXPECT_THAT(error(npy<float>("<f4", "(1,)", {1}).substr(0, 30)), HasSubstr("wanted an NPY header of"));
  EXPECT_EQ(error(npy<float>("<f4", "(2,)", {1, std::numeric_limits<float>::quiet_NaN()})),
            "x: value 1: wanted a finite number, got nan");
  EXPECT_EQ(error(npy<double>("<f8", "(1,)", {1e300})), "x: value 0: wanted a finite number, got 1e+300");
  EXPECT_TRUE(parse_npy(npy<float>("<f4", "(1,)", {0.5F}), "x", true)->integers.empty());
}

TEST(Npy, BothOrdersAndBothEnds) {
  const auto fortran = [](const std::string& type, const std::string& raw) {
    return npy_of("{'descr': '" + type + "', 'fortran_order': True, 'shape': (2, 3)}", raw);
  };
  const std::string columns = {1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0};
  EXPECT_THAT(parse_npy(fortran("<i2", columns), "x")->floats, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(parse_npy(fortran("|u1", std::string{1, 4, 2, 5, 3, 6}), "x")->bytes, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(parse_npy(npy<std::uint8_t>(">u2", "(2,)", {1, 2, 0, 7}), "x")->floats, ElementsAre(258, 7));
  EXPECT_THAT(parse_npy(npy<std::uint8_t>(">f4", "(1,)", {0x3f, 0x80, 0, 0}), "x")->floats, ElementsAre(1));
  EXPECT_THAT(parse_npy(npy<std::uint16_t>("<f2", "(4,)", {0x3c00, 0xc000, 0x0001, 0x7bff}), "x")->floats,
              ElementsAre(1, -2, 0x1p-24F, 65504));
}

TEST(Npy, MutatedFilesAreReadOrRefused) {
  const std::string whole = npy<float>("<f4", "(2, 2)", {1, 2, 3, 4});
  EXPECT_TRUE(rc::check([&] {
    std::string bytes = whole;
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i)
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    const Result<NpyArray> array = parse_npy(bytes, "x");
    RC_ASSERT((array.ok() || array.error().message.starts_with("x: ")));
    if (array.ok()) RC_ASSERT(elements(array->extents) == std::ssize(array->bytes) + std::ssize(array->floats));
  }));
}

// No value is promised, so none is missing; what is left of the shape is beyond 63 bits all the same.
TEST(Npy, AnExtentOfZeroHidesNoOverflow) {
  for (const char* shape : {"(2, 97949, 0, 128400969165606)", "(0, 4611686018427387904, 4611686018427387904)"}) {
    const Result<Dataset> samples = npy_samples(npy<float>("<f4", shape, {}), "x", {});
    EXPECT_THAT(message(samples), StartsWith("x: wanted ")) << shape;
  }
}

TEST(Npy, DataSetsWithLabelsBeside) {
  const Scratch scratch;
  const auto file = scratch.write("x.npy", npy<std::uint8_t>("|u1", "(2, 1, 2, 1)", {1, 2, 3, 4}));
  EXPECT_THAT(message(load_dataset(file.string())),
              EndsWith("x.npy: wanted its labels beside it in x.labels.npy, got no such file"));
  scratch.write("x.labels.npy", npy<std::int64_t>("<i8", "(2,)", {1, 0}));
  const Result<Dataset> images = load_dataset(file.string());
  ASSERT_TRUE(images.ok()) << message(images);
  EXPECT_THAT(images->shape, ElementsAre(1, 1, 2));
  EXPECT_THAT(images->bytes, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(images->labels, ElementsAre(1, 0));
  EXPECT_THAT(images->class_names, ElementsAre("0", "1"));

  scratch.write("x.npy", npy<double>("<f8", "(2, 3)", {1, 2, 3, 4, 5, 6}));
  const Result<Dataset> table = load_dataset(file.string());
  ASSERT_TRUE(table.ok()) << message(table);
  EXPECT_THAT(table->shape, ElementsAre(3));
  EXPECT_EQ(table->columns.size(), 3U);
  scratch.write("x.npy", npy<std::uint8_t>("|u1", "(2, 2)", {1, 2, 3, 4}));
  EXPECT_THAT(load_dataset(file.string())->floats, ElementsAre(1, 2, 3, 4));
  DataOptions pixels;
  pixels.image_shape = {2, 1, 1};
  EXPECT_THAT(load_dataset(file.string(), pixels)->bytes, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(load_dataset(file.string(), pixels)->shape, ElementsAre(2, 1, 1));

  scratch.write("x.labels.npy", npy<std::int64_t>("<i8", "(2,)", {1, -1}));
  EXPECT_THAT(load_dataset(file.string())->class_names, ElementsAre("-1", "1"));
  scratch.write("x.labels.npy", npy<std::int64_t>("<i8", "(2, 1)", {20000, 3}));
  EXPECT_THAT(load_dataset(file.string())->class_names, ElementsAre("3", "20000"));
  scratch.write("x.labels.npy", npy<std::int8_t>("|i1", "(2, 2)", {0, 1, 1, 0}));
  EXPECT_THAT(load_dataset(file.string())->labels, ElementsAre(1, 0)) << "a 1 in every row is its class";
  scratch.write("x.labels.npy", npy<std::int8_t>("|i1", "(2, 2)", {1, 1, 1, 0}));
  EXPECT_EQ(load_dataset(file.string())->task, Task::labels);
  scratch.write("x.labels.npy", npy<double>("<f8", "(2, 2)", {1, 1.5, 1, 0}));
  EXPECT_THAT(load_dataset(file.string())->targets, ElementsAre(1, 1.5F, 1, 0));
  scratch.write("x.labels.npy", npy<std::uint32_t>("<U2", "(2,)", {'n', 'o', 'y', 0}));
  EXPECT_THAT(load_dataset(file.string())->class_names, ElementsAre("no", "y"));
  scratch.write("x.classes.txt", "cat\ndog\n");
  scratch.write("x.labels.npy", npy<std::int64_t>("<i8", "(2,)", {1, 0}));
  EXPECT_THAT(load_dataset(file.string())->class_names, ElementsAre("cat", "dog"));
  scratch.write("x.labels.npy", npy<std::int64_t>("<i8", "(3,)", {1, 0, 1}));
  EXPECT_THAT(message(load_dataset(file.string())), HasSubstr("wanted 2 labels, one per sample, got 3"));
  scratch.write("x.npy", npy<float>("<f4", "(2,)", {1, 2}));
  EXPECT_THAT(message(load_dataset(file.string())),
              HasSubstr("wanted an array [n, f], [n, h, w], [n, h, w, c] or [n, c, h, w], got 1 dimension"));
  scratch.write("x.npy", npy<float>("<f4", "(0, 3)", {}));
  EXPECT_THAT(message(load_dataset(file.string())), HasSubstr("wanted at least one sample, got none"));
}

TEST(Npy, OneSampleAloneForPredict) {
  DataOptions image;
  image.image_shape = {1, 1, 2};
  for (const char* shape : {"(1, 2)", "(2,)", "(1, 1, 2)", "(1, 2, 1)", "(1, 1, 2, 1)"}) {
    const Result<Dataset> sample = npy_samples(npy<std::uint8_t>("|u1", shape, {8, 9}), "x", image);
    ASSERT_TRUE(sample.ok()) << shape << message(sample);
    EXPECT_THAT(sample->shape, ElementsAre(1, 1, 2)) << shape;
    EXPECT_THAT(sample->bytes, ElementsAre(8, 9)) << shape;
    EXPECT_EQ(sample->count, 1);
  }
  EXPECT_EQ(npy_samples(npy<std::uint8_t>("|u1", "(3, 2)", {1, 2, 3, 4, 5, 6}), "x", image)->count, 3);
  EXPECT_THAT(npy_samples(npy<float>("<f4", "(2,)", {1, 2}), "x", {})->shape, ElementsAre(2));
}

}  // namespace
}  // namespace soma
