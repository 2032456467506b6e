// IDX → CSV → IDX: the same bytes; and tables that no image file can hold.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "data/scratch.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;

TEST(Convert, ImagesSurviveTheWayThroughCsv) {
  const Scratch scratch;
  const Dataset digits = make_digits(30, 4);
  ASSERT_TRUE(write_csv(digits, scratch.path() / "digits.csv").ok());
  const Dataset table = load_dataset((scratch.path() / "digits.csv").string()).value();
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
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "label,0,1\na,1.5,0\nb,-2,255\n");
  EXPECT_THAT(message(as_images(table)), HasSubstr("sample 1: wanted whole numbers from 0 to 255, got 1.5"));
  const Dataset row = load_dataset(scratch.write("u.csv", "1,0,a\n2,255,b\n").string()).value();
  EXPECT_EQ(as_images(row).value().shape, (Shape{1, 1, 2}));
}

TEST(Convert, ATableComesBackAsItWas) {
  const Scratch scratch;
  const Dataset table =
      load_dataset(scratch.write("t.csv", "size,colour,species\n1.5,\"red, dark\",cat\n,blue,dog\n2,blue,cat\n").string())
          .value();
  ASSERT_TRUE(write_csv(table, scratch.path() / "out.csv").ok());
  const Dataset back = load_dataset((scratch.path() / "out.csv").string()).value();
  EXPECT_EQ(back.columns, table.columns);
  EXPECT_EQ(back.class_names, table.class_names);
  EXPECT_EQ(back.labels, table.labels);
  EXPECT_EQ(back.label_name, "species");
  EXPECT_TRUE(std::isnan(back.floats[2]));
}

}  // namespace
}  // namespace soma::test
