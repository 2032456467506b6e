// gzip, zlib or deflate ↔ bytes. The size after decompression has a limit too.
#include "serve/compression.h"

#include <libdeflate.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <new>
#include <string>

namespace soma::http {
namespace {

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};
struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};

std::string lower(std::string_view text) {
  const auto first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  if (first == std::string_view::npos) return {};
  std::string word(text.substr(first, last - first + 1));
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

}  // namespace

Coding content_coding(std::string_view field) {
  const std::string word = lower(field);
  if (word.empty() || word == "identity") return Coding::identity;
  if (word == "gzip" || word == "x-gzip") return Coding::gzip;
  if (word == "deflate") return Coding::deflate;
  return Coding::unknown;
}

Coding accepted_coding(std::string_view field) {
  Coding best = Coding::identity;
  while (!field.empty()) {
    const std::string entry = lower(field.substr(0, field.find(',')));
    field.remove_prefix(std::min(field.size(), field.find(',') == std::string_view::npos ? field.size() : field.find(',') + 1));
    const auto end = entry.find_first_of("; ");
    const std::size_t weight = entry.find("q=0");
    const bool refused = weight != std::string::npos && entry.find_first_of("123456789", weight) == std::string::npos;
    const Coding coding = content_coding(std::string_view(entry).substr(0, end));
    if (refused) continue;
    if (coding == Coding::gzip || (coding == Coding::deflate && best != Coding::gzip)) best = coding;
  }
  return best;
}

namespace {

/// All members of a gzip file one after the other (RFC 1952, 2.2), or the one stream of another coding, into `room` bytes.
libdeflate_result unpack_into(libdeflate_decompressor* engine, Coding coding, bool raw, std::string_view packed, std::byte* to,
                              std::size_t room, std::size_t& size) {
  const auto call = coding == Coding::gzip ? libdeflate_gzip_decompress_ex
                    : raw                  ? libdeflate_deflate_decompress_ex
                                           : libdeflate_zlib_decompress_ex;
  size = 0;
  do {
    std::size_t used = 0, more = 0;
    const libdeflate_result result = call(engine, packed.data(), packed.size(), to + size, room - size, &used, &more);
    if (result != LIBDEFLATE_SUCCESS) return result;
    size += more;
    packed.remove_prefix(used);
  } while (coding == Coding::gzip && !packed.empty());
  return packed.empty() ? LIBDEFLATE_SUCCESS : LIBDEFLATE_BAD_DATA;
}

}  // namespace

UnpackFailure unpack(Coding coding, std::string_view packed, std::size_t limit, SlabPool& pool, Unpacked& unpacked) {
  const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> engine(libdeflate_alloc_decompressor());
  if (!engine) throw std::bad_alloc();
  bool raw = false;
  // The unpacked size is not known: room for four times as much first, then twice that, up to the limit and one byte.
  for (std::size_t room = std::min(limit + 1, packed.size() * 4);;) {
    unpacked.slab.reset();
    unpacked.slab = pool.take(room);
    room = std::min(unpacked.slab.capacity(), limit + 1);
    const libdeflate_result result = unpack_into(engine.get(), coding, raw, packed, unpacked.slab.data(), room, unpacked.size);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
      if (room > limit) return UnpackFailure::too_large;
      room = std::min(limit + 1, room * 2);
    } else if (result == LIBDEFLATE_SUCCESS) {
      return unpacked.size > limit ? UnpackFailure::too_large : UnpackFailure::none;
    } else if (coding == Coding::deflate && !raw) {
      raw = true;
    } else {
      return UnpackFailure::malformed;
    }
  }
}

bool pack(Coding coding, Buffer& buffer) {
  constexpr int kLevel = 1;  // answers are digits of numbers: higher levels cost much and save little
  const std::unique_ptr<libdeflate_compressor, FreeCompressor> engine(libdeflate_alloc_compressor(kLevel));
  if (!engine) throw std::bad_alloc();
  const std::size_t size = buffer.size();
  const std::unique_ptr<char[]> packed(new char[size]);
  const std::size_t bytes = coding == Coding::gzip
                                ? libdeflate_gzip_compress(engine.get(), buffer.view().data(), size, packed.get(), size)
                                : libdeflate_zlib_compress(engine.get(), buffer.view().data(), size, packed.get(), size);
  if (bytes == 0) return false;
  buffer.clear();
  buffer.append({packed.get(), bytes});  // shorter than what was there: asks for no memory
  return true;
}

}  // namespace soma::http
