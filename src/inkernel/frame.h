// a message ↔ an Ethernet frame around it, as a client's machine would send it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soma/error.h"

namespace soma::bpf {

/// From port 40000 of 10.0.0.1 (fd00::1) to `port` of 10.0.0.2 (fd00::2).
std::vector<std::uint8_t> make_frame(std::span<const std::uint8_t> payload, std::uint16_t port, bool ipv6 = false);

/// The payload of a UDP frame whose lengths and checksums are all right, or what is wrong.
[[nodiscard]] Result<std::vector<std::uint8_t>> payload_of(std::span<const std::uint8_t> frame);

}  // namespace soma::bpf
