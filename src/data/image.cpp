// bytes → Image: PNG by libpng, JPEG by libjpeg-turbo, gray or colour, nothing trusted.
#include "data/image.h"

#include <fmt/format.h>
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

// After <cstdio>: the JPEG headers use FILE without including it.
#include <jerror.h>
#include <jpeglib.h>

namespace soma {
namespace {

constexpr std::int64_t kMostSide = 16384, kMostPixels = std::int64_t{1} << 26;

Error wrong(std::string_view origin, std::string_view message) {
  return {Error::Kind::data, fmt::format("{}: {}", origin, message)};
}

Result<void> check_size(std::int64_t width, std::int64_t height, std::string_view origin) {
  if (width >= 1 && height >= 1 && width <= kMostSide && height <= kMostSide && width * height <= kMostPixels) return {};
  return wrong(origin,
               fmt::format("wanted at most {} pixels a side and {} in all, got {}×{}", kMostSide, kMostPixels, width, height));
}

Result<Image> decode_png(std::string_view bytes, std::string_view origin) {
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  const auto failed = [&] {
    Error error = wrong(origin, fmt::format("damaged PNG: {}", png.message));
    png_image_free(&png);
    return error;
  };
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) return failed();
  if (const Result<void> sized = check_size(png.width, png.height, origin); !sized) {
    png_image_free(&png);
    return sized.error();
  }
  const bool colour = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
  png.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Image image{colour ? 3 : 1, png.height, png.width, {}};
  image.pixels.resize(PNG_IMAGE_SIZE(png));
  const png_color white = {255, 255, 255};
  if (png_image_finish_read(&png, &white, image.pixels.data(), 0, nullptr) == 0) return failed();
  return image;
}

/// libjpeg's way out of an error: back to the setjmp, with the message kept.
struct JpegTrouble {
  jpeg_error_mgr base;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void escape(j_common_ptr info) {
  auto* trouble = reinterpret_cast<JpegTrouble*>(info->err);
  info->err->format_message(info, trouble->message);
  std::longjmp(trouble->escape, 1);
}

// A warning means pixels were made up; only stray bytes between segments do no harm.
void judge_warning(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code != JWRN_EXTRANEOUS_DATA) escape(info);
}

void stay_silent(j_common_ptr) {}

/// One decompressor. Everything libjpeg may jump out of happens in the two members, which own nothing.
struct Jpeg {
  jpeg_decompress_struct info;
  JpegTrouble trouble;

  bool open(std::string_view bytes) {
    std::memset(this, 0, sizeof *this);
    info.err = jpeg_std_error(&trouble.base);
    trouble.base.error_exit = escape;
    trouble.base.emit_message = judge_warning;
    trouble.base.output_message = stay_silent;
    if (setjmp(trouble.escape) != 0) return false;
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info, TRUE);
    info.out_color_space = info.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    return true;
  }

  bool read(std::uint8_t* pixels, std::size_t row_size) {
    if (setjmp(trouble.escape) != 0) return false;
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + info.output_scanline * row_size;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    return true;
  }
};

Result<Image> decode_jpeg(std::string_view bytes, std::string_view origin) {
  Jpeg jpeg;
  const auto failed = [&] {
    Error error = wrong(origin, fmt::format("damaged JPEG: {}", jpeg.trouble.message));
    jpeg_destroy_decompress(&jpeg.info);
    return error;
  };
  if (!jpeg.open(bytes)) return failed();
  if (const Result<void> sized = check_size(jpeg.info.image_width, jpeg.info.image_height, origin); !sized) {
    jpeg_destroy_decompress(&jpeg.info);
    return sized.error();
  }
  Image image{jpeg.info.out_color_space == JCS_GRAYSCALE ? 1 : 3, jpeg.info.image_height, jpeg.info.image_width, {}};
  image.pixels.resize(static_cast<std::size_t>(image.channels * image.height * image.width));
  if (!jpeg.read(image.pixels.data(), static_cast<std::size_t>(image.channels * image.width))) return failed();
  jpeg_destroy_decompress(&jpeg.info);
  return image;
}

bool is_png(std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); }

}  // namespace

bool is_image(std::string_view bytes) { return is_png(bytes) || bytes.starts_with("\xff\xd8\xff"); }

std::size_t memory_to_decode(std::string_view bytes) {
  constexpr std::size_t kAtHand = std::size_t{1} << 18;  // what the libraries keep beside the picture
  if (is_png(bytes)) {
    png_image png = {};
    png.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) return kAtHand;
    const std::size_t pixels = std::size_t{png.width} * png.height;
    png_image_free(&png);
    return kAtHand + 3 * pixels;
  }
  Jpeg jpeg;
  if (!jpeg.open(bytes)) return jpeg_destroy_decompress(&jpeg.info), kAtHand;
  const std::size_t pixels = std::size_t{jpeg.info.image_width} * jpeg.info.image_height;
  const std::size_t coefficients = jpeg.info.progressive_mode != 0 ? 6 : 0;  // 16 bits for each, kept until the last scan
  jpeg_destroy_decompress(&jpeg.info);
  return kAtHand + (3 + coefficients) * pixels;
}

Result<Image> decode_image(std::string_view bytes, std::string_view origin) {
  if (!is_image(bytes)) return wrong(origin, "wanted a PNG or JPEG picture, got something else");
  return is_png(bytes) ? decode_png(bytes, origin) : decode_jpeg(bytes, origin);
}

}  // namespace soma
