// pixels and weights → PNG files that a decoder reads back as they were.
#include "report/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <limits>
#include <string>

namespace soma::report {
namespace {

using testing::ElementsAre;

std::string base64_of(std::string_view text) {
  return base64(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

/// The pixels of a data URI, decoded by libpng.
Picture decoded(const std::string& uri) {
  const std::string head = "data:image/png;base64,", digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  EXPECT_EQ(uri.substr(0, head.size()), head);
  std::vector<std::uint8_t> bytes;
  unsigned bits = 0;
  int held = 0;
  for (const char c : uri.substr(head.size())) {
    if (c == '=') break;
    bits = bits << 6U | static_cast<unsigned>(digits.find(c));
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> held));
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_NE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()), 0);
  const std::int64_t channels = PNG_IMAGE_SAMPLE_CHANNELS(image.format);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  Picture picture{channels, image.height, image.width, std::vector<std::uint8_t>(PNG_IMAGE_SIZE(image))};
  EXPECT_NE(png_image_finish_read(&image, nullptr, picture.pixels.data(), 0, nullptr), 0);
  return picture;
}

TEST(Picture, Base64IsTheOneOfItsStandard) {
  EXPECT_EQ(base64_of(""), "");
  EXPECT_EQ(base64_of("f"), "Zg==");
  EXPECT_EQ(base64_of("fo"), "Zm8=");
  EXPECT_EQ(base64_of("foo"), "Zm9v");
  EXPECT_EQ(base64_of("foobar"), "Zm9vYmFy") << "RFC 4648, 10";
}

TEST(Picture, PngHoldsEveryPixel) {
  for (const std::int64_t channels : {1, 3, 4}) {
    Picture picture{channels, 3, 5, {}};
    for (std::int64_t i = 0; i < channels * 15; ++i) picture.pixels.push_back(static_cast<std::uint8_t>(i * 4 + 3));
    const Picture back = decoded(png_uri(picture));
    EXPECT_EQ(back.channels, channels);
    EXPECT_EQ(back.height, 3);
    EXPECT_EQ(back.width, 5);
    if (channels != 4) {
      EXPECT_EQ(back.pixels, picture.pixels);
    }
  }
  EXPECT_EQ(png_uri({}), "");
  EXPECT_EQ(png_uri({2, 1, 1, {1, 2}}), "");
}

TEST(Picture, SamplesAreScaledAndColourStays) {
  EXPECT_THAT(sample_picture({1, 1, 3}, std::vector{0.0F, 127.5F, 255.0F}, 0, 255).pixels, ElementsAre(0, 128, 255));
  EXPECT_THAT(sample_picture({3, 1, 1}, std::vector{1.0F, 0.0F, 2.0F}, 0, 1).pixels, ElementsAre(255, 0, 255));
  EXPECT_THAT(sample_picture({2, 1, 1}, std::vector{1.0F, 0.0F}, 0, 1).pixels, ElementsAre(128)) << "the mean";
  EXPECT_THAT(sample_picture({1, 1, 2}, std::vector{7.0F, 7.0F}, 7, 7).pixels, ElementsAre(0, 0));
}

TEST(Picture, WeightsShowSignByColourAndSizeByOpacity) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto pixels = weight_picture({1, 1, 4}, std::vector{2.0F, -1.0F, 0.0F, nan}, 2).pixels;
  ASSERT_EQ(pixels.size(), 16U);
  EXPECT_EQ(pixels[3], 255);
  EXPECT_EQ(pixels[7], 128);
  EXPECT_EQ(pixels[11], 0);
  EXPECT_EQ(pixels[15], 0) << "NaN is nothing";
  EXPECT_NE(pixels[0], pixels[4]);
  EXPECT_EQ(weight_picture({2, 1, 1}, std::vector{1.0F, -1.0F}, 1).pixels[3], 0) << "channels are summed";
}

}  // namespace
}  // namespace soma::report
