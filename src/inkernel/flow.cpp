// Ethernet frames + when they came → their features in user space, as the program in the kernel reads them.
#include <algorithm>
#include <cstring>

#include "soma/classify.h"

namespace soma {
namespace {

constexpr std::size_t kEthernet = 14, kIpv4 = 20, kIpv6 = 40;
constexpr std::uint8_t kTcp = 6, kUdp = 17;

std::uint64_t big(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint64_t>(bytes[at]) << 8 | bytes[at + 1];
}

}  // namespace

std::optional<FlowFeatures> FlowTable::add(std::span<const std::uint8_t> frame, std::uint64_t nanoseconds) {
  if (frame.size() < kEthernet + kIpv4) return {};
  const std::uint64_t type = big(frame, 12);
  const auto ip = frame.subspan(kEthernet);
  const bool v6 = type == 0x86dd;
  if ((!v6 && type != 0x0800) || (v6 && ip.size() < kIpv6)) return {};
  std::array<std::uint8_t, 40> key{};
  const std::uint64_t length = v6 ? big(ip, 4) + kIpv6 : big(ip, 2), protocol = ip[v6 ? 6 : 9], hops = ip[v6 ? 7 : 8];
  if (v6) {
    std::copy_n(ip.begin() + 8, 32, key.begin());
  } else {
    std::copy_n(ip.begin() + 12, 4, key.begin());
    std::copy_n(ip.begin() + 16, 4, key.begin() + 16);
  }
  std::uint64_t source = 0, destination = 0, flags = 0;
  const std::size_t at = v6 ? kIpv6 : std::size_t{4} * (ip[0] & 15U);
  const bool later = !v6 && (big(ip, 6) & 0x1fff) != 0;
  if (!later && (protocol == kTcp || protocol == kUdp) && ip.size() >= at + 4) {
    source = big(ip, at);
    destination = big(ip, at + 2);
    if (protocol == kTcp && ip.size() > at + 13) flags = ip[at + 13];
  }
  const std::uint16_t ends[] = {static_cast<std::uint16_t>(source), static_cast<std::uint16_t>(destination),
                                static_cast<std::uint16_t>(protocol)};
  std::memcpy(key.data() + 32, ends, sizeof(ends));
  const auto [found, fresh] = flows_.try_emplace(key, Flow{nanoseconds, nanoseconds, 0, 0});
  Flow& flow = found->second;
  FlowFeatures features{};
  std::size_t i = 0;
  for (const std::uint64_t each : {length, protocol, source, destination, flags, hops, flow.packets, flow.bytes,
                                   (nanoseconds - flow.last) / 1000, (nanoseconds - flow.first) / 1000})
    features[i++] = static_cast<float>(std::min<std::uint64_t>(each, kMostFeature));
  flow.last = nanoseconds;
  ++flow.packets;
  flow.bytes += length;
  return features;
}

}  // namespace soma
