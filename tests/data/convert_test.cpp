// IDX → CSV → IDX: the same bytes; and tables that no image file can hold.
#include <gmock/gmock.h>

#include <fstream>

#include "data/scratch.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;

TEST(Convert, ImagesSurviveTheWayThroughCsv) {
  const Scratch scratch;
  const Dataset digits = make_digits(30, 4);
  ASSERT_TRUE(write_csv(digits, scratch.path() / "digits.csv").ok());
  DataOptions options;
  options.label = "0";
  const Dataset table = load_dataset((scratch.path() / "digits.csv").string(), options).value();
  const Dataset images = as_images(table).value();
  EXPECT_EQ(images.shape, digits.shape);
  EXPECT_EQ(images.count, digits.count);
  EXPECT_EQ(images.bytes, digits.bytes);
  ASSERT_TRUE(write_idx(images, scratch.path() / "images-idx3-ubyte", scratch.path() / "labels-idx1-ubyte").ok());
  const Dataset again = load_dataset((scratch.path() / "images-idx3-ubyte").string()).value();
  EXPECT_EQ(again.bytes, digits.bytes);
  EXPECT_EQ(again.labels, digits.labels);
}

TEST(Convert, TablesKeepTheirNumbersAndTheirShape) {
  const Scratch scratch;
  const Dataset table = load_dataset(scratch.write("t.csv", "1.5,0,a\n-2,255,b\n").string()).value();
  ASSERT_TRUE(write_csv(table, scratch.path() / "out.csv").ok());
  std::ifstream in(scratch.path() / "out.csv");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "0,1.5,0\n1,-2,255\n");
  EXPECT_THAT(message(as_images(table)), HasSubstr("sample 1: wanted whole numbers from 0 to 255, got 1.5"));
  const Dataset row = load_dataset(scratch.write("u.csv", "1,0,a\n2,255,b\n").string()).value();
  EXPECT_EQ(as_images(row).value().shape, (Shape{1, 1, 2}));
}

}  // namespace
}  // namespace soma::test
