// bytes → a TFRecord: length, payload, and the checksums its readers look at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace soma::report {

/// CRC-32C (Castagnoli, RFC 3720 B.4).
std::uint32_t crc32c(std::string_view bytes);

/// u64 length, masked CRC of the length, the payload, masked CRC of the payload; little-endian
/// (tensorflow/core/lib/io/record_writer.h).
std::string record(std::string_view payload);

}  // namespace soma::report
