// bytes → their SHA-256 (FIPS 180-4), as 64 hexadecimal digits.
#include "core/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <new>

namespace soma {

std::string sha256(std::span<const std::span<const std::byte>> chunks) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  // Hashing what lies in memory fails for one reason: there is no more of it.
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  for (const auto chunk : chunks)
    if (EVP_DigestUpdate(context.get(), chunk.data(), chunk.size()) != 1) throw std::bad_alloc();
  if (EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1) throw std::bad_alloc();
  std::string hex;
  for (const unsigned char byte : std::span(digest).first(length)) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string sha256(std::string_view bytes) {
  const std::array chunks = {std::as_bytes(std::span(bytes))};
  return sha256(chunks);
}

}  // namespace soma
