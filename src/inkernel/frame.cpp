// a message ↔ an Ethernet frame around it, as a client's machine would send it.
#include "inkernel/frame.h"

#include <algorithm>
#include <array>

#include "inkernel/packet.h"

namespace soma::bpf {
namespace {

using Bytes = std::span<const std::uint8_t>;

void put16(std::uint8_t* to, std::size_t value) {
  to[0] = static_cast<std::uint8_t>(value >> 8);
  to[1] = static_cast<std::uint8_t>(value);
}
std::size_t get16(const std::uint8_t* from) { return static_cast<std::size_t>(from[0] << 8 | from[1]); }

/// RFC 1071: the one's complement sum of 16-bit words, an odd byte filled up with 0.
std::size_t internet_sum(Bytes bytes, std::size_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? static_cast<std::size_t>(bytes[i]) << 8 : bytes[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

struct Parts {
  std::size_t address = 0, addresses = 0, udp = 0;  // offsets and bytes
};
Parts parts_of(bool ipv6) {
  const auto ip = static_cast<std::size_t>(kEthernet);
  return ipv6 ? Parts{ip + 8, 32, ip + 40} : Parts{ip + 12, 8, ip + 20};
}

/// Over the pseudo header and the datagram, its checksum included.
std::size_t udp_sum(Bytes frame, const Parts& parts) {
  const std::size_t length = get16(frame.data() + parts.udp + 4);
  return internet_sum(frame.subspan(parts.udp, length), internet_sum(frame.subspan(parts.address, parts.addresses), 17 + length));
}

}  // namespace

std::vector<std::uint8_t> make_frame(std::span<const std::uint8_t> payload, std::uint16_t port, bool ipv6) {
  const Parts parts = parts_of(ipv6);
  const auto ip = static_cast<std::size_t>(kEthernet), udp = static_cast<std::size_t>(kUdp);
  std::vector<std::uint8_t> frame(parts.udp + udp + payload.size());
  const std::size_t length = udp + payload.size();
  for (std::uint8_t i = 0; i < 6; ++i) {
    frame[i] = i == 5 ? 2 : 2 * (i == 0);
    frame[6U + i] = i == 5 ? 1 : 2 * (i == 0);
  }
  put16(&frame[12], ipv6 ? 0x86dd : 0x0800);
  std::uint8_t* head = &frame[ip];
  if (ipv6) {
    head[0] = 0x60;
    put16(head + 4, length);
    head[6] = 17;
    head[7] = 64;
    head[8] = head[24] = 0xfd;
    head[23] = 1;
    head[39] = 2;
  } else {
    constexpr std::array<std::uint8_t, 8> kAddresses = {10, 0, 0, 1, 10, 0, 0, 2};
    head[0] = 0x45;
    put16(head + 2, 20 + length);
    head[8] = 64;
    head[9] = 17;
    std::copy(kAddresses.begin(), kAddresses.end(), head + 12);
    put16(head + 10, ~internet_sum({head, 20}));
  }
  std::uint8_t* datagram = &frame[parts.udp];
  put16(datagram, 40000);
  put16(datagram + 2, port);
  put16(datagram + 4, length);
  std::copy(payload.begin(), payload.end(), datagram + udp);
  put16(datagram + 6, ~udp_sum(frame, parts));
  return frame;
}

Result<std::vector<std::uint8_t>> payload_of(std::span<const std::uint8_t> frame) {
  const auto wrong = [](const char* got) {
    return Error{Error::Kind::data,
                 std::string("kernel: wanted a whole UDP frame, got ") + got + "; try another kernel, and tell us"};
  };
  if (frame.size() < 42) return wrong("too few bytes");
  const bool ipv6 = get16(&frame[12]) == 0x86dd;
  const Parts parts = parts_of(ipv6);
  const std::uint8_t* head = &frame[static_cast<std::size_t>(kEthernet)];
  if (frame.size() < parts.udp + 8) return wrong("too few bytes");
  const std::size_t length = get16(&frame[parts.udp + 4]);
  if (parts.udp + length != frame.size() || length < 8) return wrong("another UDP length");
  if (get16(head + (ipv6 ? 4 : 2)) != length + (ipv6 ? 0 : 20)) return wrong("another IP length");
  if (!ipv6 && internet_sum({head, 20}) != 0xffff) return wrong("a wrong IP checksum");
  if (udp_sum(frame, parts) != 0xffff) return wrong("a wrong UDP checksum");
  return std::vector<std::uint8_t>(frame.begin() + static_cast<std::ptrdiff_t>(parts.udp + 8), frame.end());
}

}  // namespace soma::bpf
