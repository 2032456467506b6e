// gzip, zlib or deflate ↔ bytes. The size after decompression has a limit too.
#pragma once

#include <string_view>

#include "serve/slab.h"
#include "soma/error.h"

namespace soma::http {

enum class Coding { identity, gzip, deflate, unknown };

/// "gzip", "x-gzip", "deflate", "identity" or nothing, in any case.
Coding content_coding(std::string_view field);
/// The best of what an Accept-Encoding field allows.
Coding accepted_coding(std::string_view field);

/// Where the bytes lie afterwards.
struct Unpacked {
  Slab slab;
  std::size_t size = 0;
};
enum class UnpackFailure { none, malformed, too_large };

/// All of `packed`: one stream, or for gzip one member or several, and nothing behind. "deflate" is zlib's format (RFC 1950), or
/// the raw one that some clients send.
UnpackFailure unpack(Coding coding, std::string_view packed, std::size_t limit, SlabPool& pool, Unpacked& unpacked);

/// Replaces what `buffer` holds by its compressed form; false, changing nothing, when that is no shorter.
bool pack(Coding coding, Buffer& buffer);

}  // namespace soma::http
