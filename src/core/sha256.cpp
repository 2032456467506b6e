// bytes → their SHA-256 (FIPS 180-4), as 64 hexadecimal digits.
#define OPENSSL_SUPPRESS_DEPRECATED  // see below
#include "core/sha256.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>

namespace soma {

// By the plain functions: they ask for no memory and know no state of the process. EVP's first call loads providers, takes
// milliseconds for that, and crashes where one of its some hundred allocations fails (OpenSSL 3.0).
std::string sha256(std::span<const std::span<const std::byte>> chunks) {
  SHA256_CTX state;
  SHA256_Init(&state);
  for (const auto chunk : chunks) SHA256_Update(&state, chunk.data(), chunk.size());
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256_Final(digest.data(), &state);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string sha256(std::string_view bytes) {
  const std::array chunks = {std::as_bytes(std::span(bytes))};
  return sha256(chunks);
}

}  // namespace soma
