// pictures, rows and arrays of one's own → samples as a model wants them.
#include <algorithm>

#include "data/image.h"
#include "data/pictures.h"
#include "data/scratch.h"

namespace soma {
namespace {

using test::message;
using test::png_bytes;
using test::Scratch;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

Result<Dataset> one(const std::filesystem::path& file, const DataOptions& options) {
  return load_samples(std::vector<std::filesystem::path>{file}, options);
}

DataOptions digits() {
  DataOptions options;
  options.image_shape = {1, 28, 28};
  return options;
}

Image paper(std::int64_t height, std::int64_t width, std::uint8_t background) {
  return {1, height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width), background)};
}

void bar(Image& image, std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width, std::uint8_t ink) {
  for (std::int64_t y = top; y < top + height; ++y)
    for (std::int64_t x = left; x < left + width; ++x) image.pixels[static_cast<std::size_t>(y * image.width + x)] = ink;
}

TEST(Samples, AnExactDigitIsTakenAsItIs) {
  const Scratch scratch;
  Image image = paper(28, 28, 0);
  bar(image, 2, 3, 10, 2, 180);
  const Result<Dataset> sample = one(scratch.write("a.png", png_bytes(image)), digits());
  ASSERT_TRUE(sample.ok()) << message(sample);
  EXPECT_EQ(sample->bytes, image.pixels);
  EXPECT_TRUE(sample->labels.empty());
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  EXPECT_EQ(one(scratch.write("b.png", png_bytes(image)), digits())->bytes, sample->bytes);  // dark on white: inverted
}

TEST(Samples, ADigitOnPaperIsBoxedAndCentred) {
  Image image = paper(300, 200, 235);
  bar(image, 40, 150, 100, 20, 30);  // an upright bar in a corner of the page
  const Image digit = as_mnist(image);
  ASSERT_EQ(digit.pixels.size(), 784U);
  std::int64_t rows = 0, mass = 0, mass_x = 0, mass_y = 0;
  for (std::int64_t y = 0; y < 28; ++y) {
    std::int64_t row = 0;
    for (std::int64_t x = 0; x < 28; ++x) {
      const std::int64_t pixel = digit.pixels[static_cast<std::size_t>(y * 28 + x)];
      row += pixel;
      mass_x += pixel * (2 * x + 1);
      mass_y += pixel * (2 * y + 1);
    }
    mass += row;
    rows += row > 0 ? 1 : 0;
  }
  EXPECT_EQ(rows, 20);                          // fills the box
  EXPECT_EQ(mass, std::int64_t{20} * 4 * 255);  // keeps its aspect, 5:1, and full contrast
  EXPECT_EQ(mass_x / mass, 28);
  EXPECT_EQ(mass_y / mass, 28);
  EXPECT_EQ(digit.pixels[0], 0);
}

TEST(Samples, EmptyPaperIsBlack) {
  EXPECT_THAT(as_mnist(paper(50, 60, 240)).pixels, Each(0));
  EXPECT_THAT(as_mnist(paper(1, 1, 3)).pixels, Each(0));
}

TEST(Samples, ExtremeInkStaysInside) {
  Image line = paper(5, 900, 255);
  bar(line, 2, 100, 1, 700, 0);
  const Image digit = as_mnist(line);
  EXPECT_EQ(digit.pixels.size(), 784U);
  EXPECT_GT(*std::max_element(digit.pixels.begin(), digit.pixels.end()), 100);
  Image dot = paper(40, 40, 255);
  bar(dot, 0, 39, 1, 1, 0);
  EXPECT_EQ(as_mnist(dot).pixels.size(), 784U);
}

TEST(Samples, OtherPicturesAreOnlyResized) {
  const Scratch scratch;
  const auto file = scratch.write("a.png", png_bytes(paper(10, 10, 200)));
  DataOptions options = digits();
  options.class_names = {"shirt", "bag"};
  EXPECT_THAT(one(file, options)->bytes, Each(200));
  options.image_shape = {3, 5, 5};
  EXPECT_THAT(one(file, options)->shape, ElementsAre(3, 5, 5));
}

TEST(Samples, SeveralFilesKeepTheirOrderAndForm) {
  const Scratch scratch;
  DataOptions options;
  options.image_shape = {1, 1, 2};
  const std::vector<std::filesystem::path> files = {scratch.write("a.png", png_bytes(paper(1, 2, 3))),
                                                    scratch.write("b.csv", "1,2\n3,4\n"), scratch.write("c.csv", "0.5,1\n")};
  const Result<Dataset> bytes = load_samples(std::span(files).first(2), options);
  ASSERT_TRUE(bytes.ok()) << message(bytes);
  EXPECT_EQ(bytes->count, 3);
  EXPECT_THAT(bytes->bytes, ElementsAre(3, 3, 1, 2, 3, 4));
  const Result<Dataset> floats = load_samples(files, options);
  ASSERT_TRUE(floats.ok()) << message(floats);
  EXPECT_EQ(floats->count, 4);
  EXPECT_TRUE(floats->bytes.empty());
  EXPECT_THAT(floats->floats, ElementsAre(3, 3, 1, 2, 3, 4, 0.5F, 1));
}

TEST(Samples, WhatDoesNotFitIsNamed) {
  const Scratch scratch;
  DataOptions table;
  table.columns = {{"a", {}}, {"b", {}}};
  EXPECT_THAT(message(one(scratch.write("a.png", png_bytes(paper(2, 2, 3))), table)),
              HasSubstr("wanted a row of 2 columns, got a picture"));
  EXPECT_THAT(message(one(scratch.write("b.csv", "1,2,3,4\n"), table)),
              HasSubstr("b.csv:1:1: wanted 2 fields (or 3 with a label), got 4"));
  EXPECT_THAT(message(one(scratch.write("c.csv", "1,2,3\n"), digits())),
              HasSubstr("wanted rows of 784 numbers for images of 1×28×28, got 3"));
  EXPECT_THAT(message(one(scratch.path() / "missing.png", digits())), HasSubstr("missing.png: cannot open"));
  EXPECT_THAT(message(one(scratch.path(), digits())), HasSubstr("Is a directory"));
  EXPECT_EQ(message(load_samples({}, digits())), "predict: wanted at least one file, got none");
}

}  // namespace
}  // namespace soma
