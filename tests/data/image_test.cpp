// PNG and JPEG → pixels, sizes, folders; damaged pictures → one line.
#include "data/image.h"

#include "data/pictures.h"
#include "data/scratch.h"

namespace soma {
namespace {

using test::jpeg_bytes;
using test::message;
using test::png_bytes;
using test::Scratch;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Image filled(std::int64_t channels, std::int64_t height, std::int64_t width, std::uint8_t value) {
  return {channels, height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(channels * height * width), value)};
}

TEST(Picture, PngIsExact) {
  const Image gray{1, 2, 3, {0, 1, 128, 254, 255, 7}}, colour{3, 1, 2, {255, 0, 0, 1, 2, 3}};
  for (const Image& image : {gray, colour}) {
    const Result<Image> back = decode_image(png_bytes(image), "x.png");
    ASSERT_TRUE(back.ok()) << message(back);
    EXPECT_EQ(back->pixels, image.pixels);
    EXPECT_EQ(back->channels, image.channels);
    EXPECT_EQ(back->height, image.height);
    EXPECT_EQ(back->width, image.width);
  }
}

TEST(Picture, TransparentPlacesAreWhite) {
  const std::uint8_t pixels[] = {0, 0, 0, 0, 0, 0, 0, 255};
  const Result<Image> image = decode_image(png_bytes(pixels, 2, 1, PNG_FORMAT_RGBA), "x.png");
  ASSERT_TRUE(image.ok()) << message(image);
  EXPECT_THAT(image->pixels, ElementsAre(255, 255, 255, 0, 0, 0));
}

TEST(Picture, JpegIsClose) {
  for (const std::int64_t channels : {1, 3}) {
    const Result<Image> back = decode_image(jpeg_bytes(filled(channels, 9, 5, 100)), "x.jpg");
    ASSERT_TRUE(back.ok()) << message(back);
    EXPECT_EQ(back->channels, channels);
    EXPECT_EQ(back->pixels.size(), static_cast<std::size_t>(45 * channels));
    EXPECT_THAT(back->pixels, Each(AllOf(testing::Ge(98), testing::Le(102))));
  }
}

TEST(Picture, EveryCutIsRefused) {
  Image noise = filled(3, 12, 12, 0);
  for (std::size_t i = 0; i < noise.pixels.size(); ++i) noise.pixels[i] = static_cast<std::uint8_t>(i * 97 % 256);
  for (const std::string& whole : {png_bytes(noise), jpeg_bytes(noise)}) {
    ASSERT_TRUE(decode_image(whole, "x").ok());
    for (std::size_t length = 0; length + 12 < whole.size(); ++length) {
      const Result<Image> cut = decode_image(whole.substr(0, length), "x");
      ASSERT_FALSE(cut.ok()) << length << " of " << whole.size();
      EXPECT_THAT(message(cut), StartsWith("x: ")) << length;
    }
  }
  EXPECT_THAT(message(decode_image(png_bytes(noise).substr(0, 60), "x")), StartsWith("x: damaged PNG: "));
  EXPECT_THAT(message(decode_image(jpeg_bytes(noise).substr(0, 300), "x")), StartsWith("x: damaged JPEG: "));
  EXPECT_EQ(message(decode_image("GIF89a", "x")), "x: wanted a PNG or JPEG picture, got a GIF");
}

TEST(Picture, ResizingKeepsMeansAndRamps) {
  EXPECT_EQ(resized(filled(1, 7, 5, 9), {3, 4, 11}).pixels, filled(3, 4, 11, 9).pixels);
  EXPECT_THAT(resized({1, 1, 4, {0, 100, 200, 100}}, {1, 1, 2}).pixels, ElementsAre(50, 150));
  EXPECT_THAT(resized({1, 1, 2, {0, 100}}, {1, 1, 4}).pixels, ElementsAre(0, 25, 75, 100));
  EXPECT_THAT(resized({1, 1, 3, {0, 90, 30}}, {1, 1, 2}).pixels, ElementsAre(30, 50));
  EXPECT_THAT(resized({3, 1, 1, {255, 0, 0}}, {1, 1, 1}).pixels, ElementsAre(76));
}

TEST(Folder, ClassesAreItsSubFoldersInOrder) {
  const Scratch scratch;
  scratch.write("dog/b.png", png_bytes(filled(1, 2, 2, 20)));
  scratch.write("dog/a.PNG", png_bytes(filled(1, 2, 2, 10)));
  scratch.write("cat/x.jpg", jpeg_bytes(filled(1, 4, 4, 50)));
  scratch.write("cat/notes.txt", "not a picture");
  scratch.write(".hidden/x.png", "not read");
  const Result<Dataset> data = load_dataset(scratch.path().string());
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_THAT(data->class_names, ElementsAre("cat", "dog"));
  EXPECT_THAT(data->labels, ElementsAre(0, 1, 1));
  EXPECT_THAT(data->shape, ElementsAre(1, 2, 2));  // the commonest
  EXPECT_EQ(data->bytes.size(), 12U);
  EXPECT_EQ(data->bytes[4], 10);
  EXPECT_EQ(data->bytes[8], 20);
  EXPECT_THAT(data->notes,
              ElementsAre("1 of 3 pictures have another size and were brought to 2×2 (stretch)", "left out: 1 .txt"));

  DataOptions options;
  options.image_shape = {3, 2, 2};
  options.class_names = {"dog", "cat"};
  const Result<Dataset> fitted = load_dataset(scratch.path().string(), options);
  ASSERT_TRUE(fitted.ok()) << message(fitted);
  EXPECT_THAT(fitted->shape, ElementsAre(3, 2, 2));
  EXPECT_THAT(fitted->labels, ElementsAre(1, 0, 0));
  options.class_names = {"dogs", "bird"};
  EXPECT_THAT(message(load_dataset(scratch.path().string(), options)),
              HasSubstr("cat: wanted a class the model knows, got 'cat'"));
}

TEST(Folder, WithoutPicturesOrWithADamagedOne) {
  const Scratch scratch;
  EXPECT_THAT(message(load_dataset(scratch.path().string())), HasSubstr("wanted the four MNIST files or a sub-folder"));
  scratch.write("a/x.png", "\x89PNG\r\n\x1a\n");
  EXPECT_THAT(message(load_dataset(scratch.path().string())), HasSubstr("a/x.png: damaged PNG"));
}

TEST(Picture, AloneIsNoDataSet) {
  const Scratch scratch;
  const auto file = scratch.write("x.png", png_bytes(filled(1, 2, 2, 20)));
  EXPECT_THAT(message(load_dataset(file.string())), HasSubstr("wanted a labelled data set, got one picture; try a folder"));
}

}  // namespace
}  // namespace soma
