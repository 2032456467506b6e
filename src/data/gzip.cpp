// file, plain or gzip → its bytes. Trusts no length field.
#include "data/gzip.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <memory>

namespace soma {
namespace {

// Deflate cannot pack better than 1032:1, so a promise beyond that is a lie.
constexpr std::size_t kBestRatio = 1032;

std::size_t promised_size(std::string_view packed) {
  const std::string_view tail = packed.substr(packed.size() - 4);
  std::size_t size = 0;
  for (std::size_t i = 4; i-- > 0;) size = size << 8 | static_cast<unsigned char>(tail[i]);
  return size;
}

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

Result<std::string> gunzip(std::string_view packed, std::string_view origin, std::size_t limit) {
  const auto damaged = [&](std::string_view what) {
    return Error{Error::Kind::data, fmt::format("{}: gzip data is {}; try to download it again", origin, what)};
  };
  if (packed.size() < 18) return damaged("cut short");
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> inflate(libdeflate_alloc_decompressor(),
                                                                                             libdeflate_free_decompressor);
  const std::size_t most = packed.size() > limit / kBestRatio ? limit : std::min(limit, packed.size() * kBestRatio);
  std::string contents;
  std::size_t room = std::min(most, std::max<std::size_t>(promised_size(packed), 64));
  std::size_t filled = 0;
  while (!packed.empty()) {
    // What tape drives and block devices add behind the last member; gzip leaves out as much.
    if (filled > 0 && packed.find_first_not_of('\0') == std::string_view::npos) break;
    if (filled > 0 && !is_gzip(packed)) return damaged(fmt::format("followed by {} bytes of something else", packed.size()));
    contents.resize(filled + room);
    std::size_t taken = 0, made = 0;
    const libdeflate_result result =
        libdeflate_gzip_decompress_ex(inflate.get(), packed.data(), packed.size(), contents.data() + filled, room, &taken, &made);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
      if (filled + room >= limit)
        return Error{Error::Kind::data, fmt::format("{}: wanted at most {} bytes unpacked, got more", origin, limit)};
      if (filled + room >= most) return damaged("damaged");
      room = std::min(most - filled, room * 2);
      continue;
    }
    if (result != LIBDEFLATE_SUCCESS) return damaged("damaged or cut short");
    filled += made;
    packed.remove_prefix(taken);
    room = std::max<std::size_t>(std::min(most - filled, room), packed.empty() ? 0 : 1);
  }
  contents.resize(filled);
  return contents;
}

Result<std::string> read_plain_or_gzip(const std::filesystem::path& file) {
  Result<std::string> contents = read_file(file, kUnpackedLimit);
  if (!contents || !is_gzip(*contents)) return contents;
  return gunzip(*contents, file.string());
}

Result<FileBytes> map_plain_or_gzip(const std::filesystem::path& file) {
  std::error_code unknown;  // what has no size is read
  const std::uintmax_t size = std::filesystem::file_size(file, unknown);
  if (!unknown && size >= kMappedFrom) {
    Result<FileBytes> mapped = map_file(file);
    if (!mapped || !is_gzip(mapped->bytes)) return mapped;
  }
  Result<std::string> contents = read_plain_or_gzip(file);
  if (!contents) return contents.error();
  const auto held = std::make_shared<const std::string>(std::move(*contents));
  return FileBytes{held, *held};
}

}  // namespace soma
