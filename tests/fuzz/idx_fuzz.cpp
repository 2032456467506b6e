// any bytes → an IDX array or an error, plain and as gzip; never a crash, never more memory than the limit.
#include <cstdint>
#include <string_view>

#include "data/gzip.h"
#include "data/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t limit = std::size_t{1} << 22;
  const soma::Result<soma::IdxArray> array = soma::parse_idx(bytes, "fuzz");
  if (array) SOMA_REQUIRE(soma::elements(array->extents) == std::ssize(array->values));
  const soma::Result<std::string> unpacked = soma::gunzip(bytes, "fuzz", limit);
  if (unpacked) SOMA_REQUIRE(unpacked->size() <= limit);
  return 0;
}
