// any bytes → a request or a refusal, however they are cut into pieces; the first byte says where. And compressed bodies.
#include <cstdint>
#include <string>
#include <string_view>

#include "serve/compression.h"
#include "serve/http_parser.h"

namespace {

using namespace soma::http;

// What the connection does with bytes as they arrive: head first, then the body's chunks.
void parse(std::string_view bytes, std::size_t piece) {
  Limits limits;
  limits.body_bytes = 1 << 16;
  limits.chunks = 1000;
  HeadParser parser(limits);
  Head head;
  std::size_t end = 0, used = 0;
  ParseState state = ParseState::more;
  // Each time from other memory: what was parsed may not remember where it lay.
  std::string arrived;
  while (state == ParseState::more && end < bytes.size()) {
    end = std::min(bytes.size(), end + piece);
    arrived = std::string(bytes.substr(0, end));
    state = parser.parse(arrived, head, used);
  }
  HeadParser once(limits);
  Head same;
  std::size_t all = 0;
  SOMA_REQUIRE(once.parse(bytes, same, all) == state || end == 0);
  if (state == ParseState::refused) {
    SOMA_REQUIRE(parser.refusal().status >= 400 && !parser.refusal().message.empty());
    SOMA_REQUIRE(parser.refusal().status == once.refusal().status);
  }
  if (state != ParseState::done) return;
  SOMA_REQUIRE(used == all && used <= end && head.target == same.target && head.host == same.host);
  SOMA_REQUIRE(!head.target.empty() && !(head.chunked && head.length > 0));
  if (!head.chunked) return;
  std::string body;
  const auto keep = [&](std::string_view text) { body += text; };
  ChunkParser chunks(limits);
  for (std::size_t begin = all; begin < bytes.size();) {
    const ParseState next = chunks.parse(bytes.substr(begin, piece), used, keep);
    begin += used;
    if (next != ParseState::more) break;
  }
  SOMA_REQUIRE(body.size() <= bytes.size() && body.size() <= limits.body_bytes);
}

void decompress(Coding coding, std::string_view bytes) {
  constexpr std::size_t kLimit = 1 << 16;
  SlabPool pool;
  Unpacked unpacked;
  if (unpack(coding, bytes, kLimit, pool, unpacked) == UnpackFailure::none) SOMA_REQUIRE(unpacked.size <= kLimit);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] == 0) return decompress(Coding::gzip, bytes), 0;
  if (data[0] == 1) return decompress(Coding::deflate, bytes), 0;
  parse(bytes, data[0]);
  return 0;
}
