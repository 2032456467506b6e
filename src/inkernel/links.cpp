// a program + a network interface → the link that makes it answer there; the links and objects of other processes by their ids.
#include "inkernel/links.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "inkernel/call.h"

namespace soma::bpf {
namespace {

Error missing_right(std::string_view what) {
  return {Error::Kind::unavailable,
          fmt::format("kernel: wanted to {}, got '{}': CAP_SYS_ADMIN is missing; try root", what, std::strerror(EPERM))};
}

Result<Descriptor> by_id(Command command, std::uint32_t id, std::string_view what) {
  IdAttributes attributes{id};
  const int fd = call(command, attributes);
  if (fd >= 0) return Descriptor(fd);
  return errno == EPERM ? missing_right(what) : refused(what, errno);
}

}  // namespace

namespace {

Result<LinkAttributes> at_interface(const Descriptor& program, const std::string& interface) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0)
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted a network interface, got '{}'; try one that ip link lists", interface)};
  LinkAttributes attributes;
  attributes.program = static_cast<std::uint32_t>(program.get());
  attributes.target = index;
  return attributes;
}

}  // namespace

Result<Descriptor> link_tc(const Descriptor& program, const std::string& interface, bool egress) {
  auto attributes = at_interface(program, interface);
  if (!attributes) return attributes.error();
  attributes->attach = egress ? kAttachEgress : kAttachIngress;
  const int fd = call(kLinkCreate, *attributes);
  if (fd >= 0) return Descriptor(fd);
  if (errno == EINVAL && kernel_version() < std::pair(6, 6))
    return Error{
        Error::Kind::unavailable,
        fmt::format("kernel: {}: wanted to attach at tc, got a kernel without links there; try Linux 6.6 or newer", interface)};
  return refused("attach to " + interface, errno);
}

Result<Descriptor> link_xdp(const Descriptor& program, const std::string& interface, std::uint32_t flags) {
  auto wanted = at_interface(program, interface);
  if (!wanted) return wanted.error();
  LinkAttributes attributes = *wanted;
  attributes.flags = flags;
  const int fd = call(kLinkCreate, attributes);
  if (fd >= 0) return Descriptor(fd);
  const auto say = [&](std::string_view got, std::string_view next) {
    return Error{Error::Kind::unavailable, fmt::format("kernel: {}: wanted to attach, got {}; try {}", interface, got, next)};
  };
  if (errno == EBUSY)
    return say("another XDP program that is attached there", "another interface, or ip link set dev " + interface + " xdp off");
  if (errno == EOPNOTSUPP) return say("a driver without native XDP", "--mode generic");
  if (errno == ERANGE) return say("an MTU too large for native XDP", "a smaller one, or --mode generic");
  return refused("attach to " + interface, errno);
}

Result<void> update_link(const Descriptor& link, const Descriptor& program) {
  UpdateAttributes attributes;
  attributes.link = static_cast<std::uint32_t>(link.get());
  attributes.program = static_cast<std::uint32_t>(program.get());
  if (call(kLinkUpdate, attributes) != 0) return refused("change the program", errno);
  return {};
}

Result<void> detach_link(const Descriptor& link) {
  OneAttribute attributes{static_cast<std::uint32_t>(link.get())};
  if (call(kLinkDetach, attributes) != 0) return refused("detach a program", errno);
  return {};
}

Result<void> pin_link(const Descriptor& link, const std::string& path) {
  const PinAttributes wanted{pointer(path.c_str()), static_cast<std::uint32_t>(link.get())};
  auto attributes = wanted;
  if (call(kPin, attributes) == 0) return {};
  const int error = errno;
  return Error{
      Error::Kind::io,
      fmt::format(
          "kernel: {}: wanted a new name in a bpf file system, got '{}'; try mount -t bpf bpf /sys/fs/bpf and a name there", path,
          std::strerror(error))};
}

Result<LinkFacts> facts_of_link(const Descriptor& link) {
  std::uint32_t info[32] = {};  // struct bpf_link_info
  InfoAttributes attributes{static_cast<std::uint32_t>(link.get()), sizeof(info), pointer(static_cast<const void*>(info))};
  if (call(kInfo, attributes) != 0) return refused("ask about a link", errno);
  return LinkFacts{info[0], info[1], info[2], info[0] == kLinkXdp || info[0] == kLinkTc ? info[4] : 0};
}

Result<std::vector<std::uint32_t>> link_ids() {
  std::vector<std::uint32_t> all;
  for (IdAttributes attributes;;) {
    if (call(kLinkNextId, attributes) != 0) {
      if (errno == ENOENT) return all;
      return errno == EPERM ? missing_right("look for programs") : refused("look for programs", errno);
    }
    attributes.id = attributes.next;
    all.push_back(attributes.next);
  }
}

Result<Descriptor> link_by_id(std::uint32_t id) { return by_id(kLinkById, id, "open a link"); }
Result<Descriptor> program_by_id(std::uint32_t id) { return by_id(kProgById, id, "open a program"); }
Result<Descriptor> map_by_id(std::uint32_t id) { return by_id(kMapById, id, "open a map"); }

Result<Descriptor> enable_statistics() {
  OneAttribute attributes;  // run time
  const int fd = call(kEnableStats, attributes);
  if (fd < 0) return errno == EPERM ? missing_right("count nanoseconds") : refused("count nanoseconds", errno);
  return Descriptor(fd);
}

std::string driver_of(const std::string& interface) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_drvinfo facts{};
  facts.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  interface.copy(static_cast<char*>(request.ifr_name), IFNAMSIZ - 1);
  request.ifr_data = std::bit_cast<char*>(&facts);
  if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return "";
  return static_cast<const char*>(facts.driver);
}

}  // namespace soma::bpf
