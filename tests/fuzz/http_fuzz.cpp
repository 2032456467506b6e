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
  Parser parser(limits);
  Head head;
  std::size_t begin = 0, end = 0;
  Parser::State state = Parser::State::more;
  while (state == Parser::State::more && end < bytes.size()) {
    end = std::min(bytes.size(), end + piece);
    std::size_t used = 0;
    state = parser.head(bytes.substr(begin, end - begin), head, used);
    SOMA_REQUIRE(used <= end - begin);
    begin += used;
  }
  if (state == Parser::State::refused) SOMA_REQUIRE(parser.refusal().status >= 400 && !parser.refusal().message.empty());
  if (state != Parser::State::done) return;
  SOMA_REQUIRE(!head.target.empty() && head.length <= limits.body_bytes && !(head.chunked && head.length > 0));
  if (!head.chunked) return;
  std::string body;
  auto keep = [&](std::string_view text) { body += text; };
  for (state = Parser::State::more; state == Parser::State::more;) {
    std::size_t used = 0;
    state = parser.chunks(bytes.substr(begin, end - begin), used, keep);
    SOMA_REQUIRE(used <= end - begin);
    begin += used;
    if (end == bytes.size() && state == Parser::State::more) break;
    end = std::min(bytes.size(), end + piece);
  }
  SOMA_REQUIRE(body.size() <= bytes.size());
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
