// a program + a network interface → the link that makes it answer there; the links and objects of other processes by their ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inkernel/system.h"

namespace soma::bpf {

/// XDP flags: 0 = native if the driver can, kGeneric, kNative. Gone when the descriptor is closed, unless it is pinned.
inline constexpr std::uint32_t kGeneric = 1U << 1, kNative = 1U << 2;
[[nodiscard]] Result<Descriptor> link_xdp(const Descriptor& program, const std::string& interface, std::uint32_t flags);
/// Among other programs at a network interface (tcx).
[[nodiscard]] Result<Descriptor> link_tc(const Descriptor& program, const std::string& interface, bool egress);
/// From one packet to the next.
[[nodiscard]] Result<void> update_link(const Descriptor& link, const Descriptor& program);
[[nodiscard]] Result<void> detach_link(const Descriptor& link);
/// A name in a bpf file system that keeps it alive.
[[nodiscard]] Result<void> pin_link(const Descriptor& link, const std::string& path);

struct LinkFacts {
  std::uint32_t type = 0, id = 0, program = 0;
  std::uint32_t interface_index = 0;  ///< of an XDP or tc link; 0 = detached
};
[[nodiscard]] Result<LinkFacts> facts_of_link(const Descriptor& link);

/// Of everybody; takes CAP_SYS_ADMIN, as the next three do.
[[nodiscard]] Result<std::vector<std::uint32_t>> link_ids();
[[nodiscard]] Result<Descriptor> link_by_id(std::uint32_t id);
[[nodiscard]] Result<Descriptor> program_by_id(std::uint32_t id);
[[nodiscard]] Result<Descriptor> map_by_id(std::uint32_t id);

/// Programs count their nanoseconds while this is open.
[[nodiscard]] Result<Descriptor> enable_statistics();

/// "veth", or what else the driver of a network interface calls itself; "" where it does not say.
std::string driver_of(const std::string& interface);

}  // namespace soma::bpf
