// samples left in their file → the same rows, splits and fingerprints as samples in memory.
#include "data/mapped.h"

#include <limits>

#include "data/arrays.h"
#include "data/idx.h"
#include "data/npy_bytes.h"
#include "data/scratch.h"
#include "soma/train.h"

namespace soma {
namespace {

using test::message;
using test::npy;
using test::Scratch;
using testing::EndsWith;

/// An NPY file read both ways; `mapped` keeps no copy of its samples.
struct Both {
  Dataset held, mapped;
};

Both read_both(const std::string& bytes, const DataOptions& options = {}) {
  const Scratch scratch;
  const FileBytes file = map_file(scratch.write("x.npy", bytes)).value();
  Both both{dataset_of(file, "x", options).value(), dataset_of(file, "x", options, 0).value()};
  EXPECT_FALSE(both.held.mapped);
  EXPECT_TRUE(both.mapped.mapped && both.mapped.bytes.empty() && both.mapped.floats.empty());
  for (Dataset* set : {&both.held, &both.mapped}) {
    set->class_names = {"0", "1", "2"};
    for (std::int64_t i = 0; i < set->count; ++i) set->labels.push_back(static_cast<std::int32_t>(i % 3));
  }
  return both;
}

std::vector<float> rows_of(const Dataset& data, const std::vector<PreprocessSpec>& steps, const Augment& augment = {}) {
  const Result<Preprocess> fitted = fit_preprocess(steps, data);
  Batches batches(data, fitted.value(), augment, 5, true);
  batches.begin_epoch(2);
  std::vector<float> rows(static_cast<std::size_t>(data.count * batches.row_size()));
  batches.fill(0, data.count, rows.data(), nullptr);
  return rows;
}

void expect_alike(const Both& both, const std::vector<PreprocessSpec>& steps, const Augment& augment = {}) {
  EXPECT_EQ(both.held.has_bytes(), both.mapped.has_bytes());
  EXPECT_EQ(fingerprint(both.held), fingerprint(both.mapped));
  EXPECT_EQ(rows_of(both.held, steps, augment), rows_of(both.mapped, steps, augment));
  const Split held = split_dataset(both.held, 0.3, 7).value(), mapped = split_dataset(both.mapped, 0.3, 7).value();
  EXPECT_EQ(fingerprint(held.first), fingerprint(mapped.first));
  const Split held_again = split_dataset(held.first, 0.3, 8).value(), mapped_again = split_dataset(mapped.first, 0.3, 8).value();
  EXPECT_EQ(fingerprint(held_again.second), fingerprint(mapped_again.second));
  EXPECT_EQ(rows_of(held_again.first, steps, augment), rows_of(mapped_again.first, steps, augment));
  const Dataset back = in_memory(mapped.second);
  EXPECT_EQ(back.bytes, held.second.bytes);
  EXPECT_EQ(back.floats, held.second.floats);
}

TEST(Mapped, PicturesOfBytes) {
  std::vector<std::uint8_t> pixels(41 * 3 * 5);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
  expect_alike(read_both(npy("|u1", "(41, 3, 5)", pixels)), {{PreprocessKind::standardise}}, {.shift = 1});
}

TEST(Mapped, TablesOfEveryTypeAndEnd) {
  std::vector<std::uint8_t> raw(60 * 3 * 8);
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::uint8_t>(i * 11 % 61);
  for (const char* type : {"|u1", "|i1", "<i2", ">i2", "<u4", ">i8"}) {
    SCOPED_TRACE(type);
    const auto size = static_cast<std::size_t>(type[2] - '0');
    const std::vector<std::uint8_t> values(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(60 * 3 * size));
    expect_alike(read_both(npy(type, "(60, 3)", values)), {{PreprocessKind::standardise}, {PreprocessKind::min_max}});
  }
  std::vector<double> doubles(60 * 3);
  std::vector<float> floats(60 * 3);
  for (std::size_t i = 0; i < doubles.size(); ++i)
    floats[i] = static_cast<float>(doubles[i] = 0.37 * static_cast<double>(i * 29 % 97));
  expect_alike(read_both(npy("<f8", "(60, 3)", doubles)), {{PreprocessKind::robust}});
  expect_alike(read_both(npy("<f4", "(60, 3)", floats)), {{PreprocessKind::impute}, {PreprocessKind::standardise}});
}

TEST(Mapped, AnIdxFile) {
  const Scratch scratch;
  std::string pixels(30 * 4, '\0');
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<char>(i * 7);
  const FileBytes file = map_file(scratch.write("images-idx3-ubyte", test::idx({30, 2, 2}, pixels))).value();
  Both both{idx_samples(file, "x").value(), idx_samples(file, "x", 0).value()};
  ASSERT_TRUE(both.mapped.mapped);
  expect_alike(both, {{PreprocessKind::divide}}, {.rotate = 10});
}

TEST(Mapped, WhatIsNotFiniteIsNamed) {
  const Scratch scratch;
  std::vector<float> values(10000, 1.0F);
  values[4999] = std::numeric_limits<float>::infinity();
  const FileBytes file = map_file(scratch.write("x.npy", npy("<f4", "(2500, 4)", values))).value();
  EXPECT_EQ(message(dataset_of(file, "x", {}, 0)), "x: value 4999: wanted a finite number, got inf");
  EXPECT_EQ(message(dataset_of(file, "x", {})), message(dataset_of(file, "x", {}, 0)));
}

// Their values would have to be moved.
TEST(Mapped, NotWhatLiesInAnotherOrder) {
  const Scratch scratch;
  const std::vector<std::uint8_t> pixels(2 * 3 * 5 * 5);
  const FileBytes file = map_file(scratch.write("x.npy", npy("|u1", "(2, 3, 5, 5)", pixels))).value();
  EXPECT_FALSE(dataset_of(file, "x", {}, 0)->mapped);
}

TEST(MapFile, WhatCannotBeMappedIsRead) {
  const Scratch scratch;
  EXPECT_EQ(map_file(scratch.write("empty", ""))->bytes, "");
  EXPECT_EQ(map_file(scratch.write("full", "abc"))->bytes, "abc");
  EXPECT_EQ(map_file("/dev/null")->bytes, "");
  EXPECT_THAT(message(map_file(scratch.path() / "none")), EndsWith("none: cannot open: No such file or directory"));
  EXPECT_THAT(message(map_file(scratch.path())), EndsWith("cannot read: Is a directory"));
}

}  // namespace
}  // namespace soma
