// bytes → Image: PNG by libpng, JPEG by libjpeg-turbo, gray or colour, nothing trusted.
#include "data/image.h"

#include <fmt/format.h>
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "data/orientation.h"

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

/// None where the size is refused before anything is decoded.
std::size_t pixels_of(std::size_t width, std::size_t height) {
  const bool fits = check_size(static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), {}).ok();
  return fits ? width * height : 0;
}

/// A pixel over white, rounded as Pillow rounds it.
std::uint8_t over_white(unsigned value, unsigned alpha) {
  const unsigned sum = value * alpha + 255 * (255 - alpha) + 128;
  return static_cast<std::uint8_t>((sum + (sum >> 8)) >> 8);
}

/// One PNG decoder. Everything libpng may jump out of happens in the two members, which own nothing that has a destructor.
struct Png {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view rest;
  char message[256] = {};

  static void fail(png_structp png, png_const_charp why) {
    auto* self = static_cast<Png*>(png_get_error_ptr(png));
    std::snprintf(self->message, sizeof self->message, "%s", why);
    png_longjmp(png, 1);
  }
  static void warn(png_structp, png_const_charp) {}
  static void give(png_structp png, png_bytep bytes, std::size_t count) {
    auto* self = static_cast<Png*>(png_get_io_ptr(png));
    if (self->rest.size() < count) png_error(png, "the file is cut short");
    std::memcpy(bytes, self->rest.data(), count);
    self->rest.remove_prefix(count);
  }

  bool open(std::string_view bytes) {
    rest = bytes;
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, warn);
    info = png != nullptr ? png_create_info_struct(png) : nullptr;
    if (info == nullptr || setjmp(png_jmpbuf(png)) != 0) return false;
    png_set_user_limits(png, static_cast<png_uint_32>(kMostSide), static_cast<png_uint_32>(kMostSide));
    png_set_read_fn(png, this, give);
    png_read_info(png, info);
    // Values as they stand in the file, in 8 bits: no gamma, the high byte of 16, as most programs show them.
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return true;
  }
  bool read(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    png_read_image(png, rows);
    png_read_end(png, info);
    return true;
  }
  [[nodiscard]] int turned() const {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(png, info, &size, &exif) == 0) return 1;
    return orientation({reinterpret_cast<const char*>(exif), size});
  }
  ~Png() { png_destroy_read_struct(&png, &info, nullptr); }
};

Result<Image> decode_png(std::string_view bytes, std::string_view origin) {
  Png png;
  const auto failed = [&] { return wrong(origin, fmt::format("damaged PNG: {}", png.message)); };
  if (!png.open(bytes)) return failed();
  const std::int64_t width = png_get_image_width(png.png, png.info), height = png_get_image_height(png.png, png.info);
  if (const Result<void> sized = check_size(width, height, origin); !sized) return sized.error();
  const auto stored = static_cast<std::int64_t>(png_get_channels(png.png, png.info));
  const std::size_t row_size = png_get_rowbytes(png.png, png.info);
  std::vector<std::uint8_t> values(row_size * static_cast<std::size_t>(height));
  std::vector<png_bytep> rows;
  for (std::int64_t y = 0; y < height; ++y) rows.push_back(values.data() + static_cast<std::size_t>(y) * row_size);
  if (!png.read(rows.data())) return failed();
  if (stored % 2 == 1) return upright({stored, height, width, std::move(values)}, png.turned());
  Image image{stored - 1, height, width, {}};
  image.pixels.reserve(static_cast<std::size_t>((stored - 1) * height * width));
  for (std::size_t at = 0; at < values.size(); at += static_cast<std::size_t>(stored))
    for (std::int64_t c = 0; c + 1 < stored; ++c)
      image.pixels.push_back(
          over_white(values[at + static_cast<std::size_t>(c)], values[at + static_cast<std::size_t>(stored) - 1]));
  return upright(std::move(image), png.turned());
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
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info, TRUE);
    const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    info.out_color_space = inks ? JCS_CMYK : info.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
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

/// Cyan, magenta, yellow, black → red, green, blue, as Pillow does; Adobe's programs store them inverted.
void become_rgb(Image& image, bool inverted) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(image.pixels.size() / 4 * 3);
  const auto ink = [&](std::size_t at) { return static_cast<unsigned>(inverted ? 255 - image.pixels[at] : image.pixels[at]); };
  for (std::size_t at = 0; at < image.pixels.size(); at += 4) {
    const unsigned light = 255 - ink(at + 3);
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned product = ink(at + c) * light + 128;
      rgb.push_back(static_cast<std::uint8_t>(light - ((product + (product >> 8)) >> 8)));
    }
  }
  image.pixels = std::move(rgb);
  image.channels = 3;
}

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
  const bool inks = jpeg.info.out_color_space == JCS_CMYK;
  Image image{inks ? 4 : jpeg.info.out_color_space == JCS_GRAYSCALE ? 1 : 3, jpeg.info.image_height, jpeg.info.image_width, {}};
  image.pixels.resize(static_cast<std::size_t>(image.channels * image.height * image.width));
  int turned = 1;  // markers are gone once the picture is read
  for (const jpeg_marker_struct* marker = jpeg.info.marker_list; marker != nullptr && turned == 1; marker = marker->next)
    turned = orientation({reinterpret_cast<const char*>(marker->data), marker->data_length});
  if (!jpeg.read(image.pixels.data(), static_cast<std::size_t>(image.channels * image.width))) return failed();
  if (inks) become_rgb(image, jpeg.info.saw_Adobe_marker != FALSE);
  jpeg_destroy_decompress(&jpeg.info);
  return upright(std::move(image), turned);
}

/// What calls itself a picture and is none that is read here.
std::string_view other_kind(std::string_view bytes) {
  if (bytes.empty()) return "an empty file";
  if (bytes.starts_with("GIF8")) return "a GIF";
  if (bytes.starts_with("BM")) return "a BMP";
  if (bytes.starts_with("RIFF")) return "a WebP";
  if (bytes.starts_with("II*") || bytes.starts_with("MM")) return "a TIFF";
  const std::size_t text = bytes.find_first_not_of(" \t\r\n");
  return text != std::string_view::npos && bytes[text] == '<' ? "a web page" : "something else";
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
    const std::size_t pixels = pixels_of(png.width, png.height);
    png_image_free(&png);
    return kAtHand + 3 * pixels;
  }
  Jpeg jpeg;
  if (!jpeg.open(bytes)) return jpeg_destroy_decompress(&jpeg.info), kAtHand;
  const std::size_t pixels = pixels_of(jpeg.info.image_width, jpeg.info.image_height);
  const std::size_t coefficients = jpeg.info.progressive_mode != 0 ? 6 : 0;  // 16 bits for each, kept until the last scan
  jpeg_destroy_decompress(&jpeg.info);
  return kAtHand + (3 + coefficients) * pixels;
}

Result<Image> decode_image(std::string_view bytes, std::string_view origin) {
  if (!is_image(bytes)) return wrong(origin, fmt::format("wanted a PNG or JPEG picture, got {}", other_kind(bytes)));
  return is_png(bytes) ? decode_png(bytes, origin) : decode_jpeg(bytes, origin);
}

}  // namespace soma
