// bytecode, images and frames → the kernel, by bpf(2) alone; whatever it refuses → one sentence that names what is missing.
#include "inkernel/system.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "inkernel/packet.h"

namespace soma::bpf {
namespace {

// Numbers and layouts of linux/bpf.h, written here: headers of an older system lack some of them.
enum Command {
  kMapCreate = 0,
  kMapLookup = 1,
  kMapUpdate = 2,
  kProgLoad = 5,
  kTestRun = 10,
  kInfo = 15,
  kLinkCreate = 28,
  kLinkUpdate = 29
};
enum MapType { kArray = 2, kPerCpuArray = 6, kArrayOfMaps = 12 };
constexpr std::uint32_t kXdp = 6, kAttachXdp = 37;

struct MapAttributes {
  std::uint32_t type = 0, key_size = 4, value_size = 0, max_entries = 1, flags = 0, inner_map = 0;
};
struct ElementAttributes {
  std::uint32_t map = 0, pad = 0;
  std::uint64_t key = 0, value = 0, flags = 0;
};
struct LoadAttributes {
  std::uint32_t type = kXdp, count = 0;
  std::uint64_t instructions = 0, license = 0;
  std::uint32_t log_level = 0, log_size = 0;
  std::uint64_t log = 0;
  std::uint32_t kernel_version = 0, flags = 0;
  char name[16] = {};
};
struct TestAttributes {
  std::uint32_t program = 0, result = 0, size_in = 0, size_out = 0;
  std::uint64_t in = 0, out = 0;
  std::uint32_t repeat = 0, nanoseconds = 0;
};
struct InfoAttributes {
  std::uint32_t fd = 0, size = 0;
  std::uint64_t info = 0;
};
struct LinkAttributes {
  std::uint32_t program = 0, target = 0, attach = kAttachXdp, flags = 0;
};
struct UpdateAttributes {
  std::uint32_t link = 0, program = 0, flags = 0, old_program = 0;
};

template <class Attributes>
int bpf(Command command, Attributes& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof(attributes)));
}

std::uint64_t pointer(const void* p) { return std::bit_cast<std::uint64_t>(p); }

std::string kernel_release() {
  utsname name{};
  ::uname(&name);
  return static_cast<const char*>(name.release);
}

/// The kernel's word is a number; what it means depends on what was asked.
Error refused(std::string_view what, int error, const std::string& log = "") {
  const auto say = [&](std::string_view got, std::string_view next) {
    return Error{Error::Kind::unavailable, fmt::format("kernel: wanted to {}, got {}; try {}", what, got, next)};
  };
  const std::string word = std::strerror(error);
  if (error == ENOSYS) return say("a kernel without bpf(2)", "Linux 6.9 or newer");
  if (error == EPERM || error == EACCES) {
    if (log.empty())
      return say(fmt::format("'{}': CAP_BPF and CAP_NET_ADMIN are missing", word),
                 "root, or setcap cap_bpf,cap_net_admin,cap_perfmon+ep on soma");
  }
  if (error == E2BIG && log.empty())
    return say(fmt::format("'{}': too large for a map of each processor", word), "a smaller network");
  if (error == EINVAL && kernel_release() < "6.9" && kernel_release().size() > 2 && kernel_release()[1] == '.')
    return say("a kernel older than 6.9, Linux " + kernel_release(), "a newer one: loops take may_goto");
  if (error == E2BIG && !log.empty())
    return say(fmt::format("'{}' from its verifier, which without CAP_PERFMON also follows what a processor might guess", log),
               "root, or setcap cap_bpf,cap_net_admin,cap_perfmon+ep on soma");
  if (log.empty()) return say(fmt::format("'{}'", word), "soma serve");
  return say(fmt::format("'{}' from its verifier ({})", word, log), "soma serve, and tell us");
}

/// The last line of a verifier's log that says something.
std::string verdict_in(const std::string& log) {
  std::string last, before;
  std::size_t at = 0;
  while (at < log.size()) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    const std::string line = log.substr(at, end - at);
    if (!line.empty() && line[0] != '\0') before = std::exchange(last, line);
    at = end + 1;
  }
  return last.starts_with("processed") ? before : last;
}

Result<Descriptor> create_map(MapAttributes attributes, std::string_view what) {
  const int fd = bpf(kMapCreate, attributes);
  if (fd < 0) return refused(what, errno);
  return Descriptor(fd);
}

Result<void> set_element(int map, const void* value, std::string_view what) {
  const std::uint32_t key = 0;
  ElementAttributes attributes;
  attributes.map = static_cast<std::uint32_t>(map);
  attributes.key = pointer(&key);
  attributes.value = pointer(value);
  if (bpf(kMapUpdate, attributes) != 0) return refused(what, errno);
  return {};
}

Result<Descriptor> create_array_map(std::span<const std::uint8_t> value, std::string_view what) {
  auto map = create_map({kArray, 4, static_cast<std::uint32_t>(value.size())}, what);
  if (!map) return map;
  if (const auto set = set_element(map->get(), value.data(), what); !set) return set.error();
  return map;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Descriptor> create_image_map(std::span<const std::uint8_t> image) {
  return create_array_map(image, "make a map for the weights");
}

Result<Descriptor> create_outer_map(const Descriptor& inner) {
  auto map = create_map({kArrayOfMaps, 4, 4, 1, 0, static_cast<std::uint32_t>(inner.get())}, "make a map of maps");
  if (!map) return map;
  if (const auto set = set_inner(*map, inner); !set) return set.error();
  return map;
}

Result<Descriptor> create_scratch_map(std::int64_t bytes) {
  return create_map({kPerCpuArray, 4, static_cast<std::uint32_t>(bytes)}, "make a map for values");
}

Result<Descriptor> create_buckets_map(std::uint64_t seed) {
  std::vector<std::uint8_t> value(static_cast<std::size_t>(kBucketBytes));
  const std::uint64_t odd = seed | 1;
  std::memcpy(value.data() + kSeed, &odd, sizeof(odd));
  return create_array_map(value, "make a map for sources");
}

Result<void> set_inner(const Descriptor& outer, const Descriptor& inner) {
  const int fd = inner.get();
  return set_element(outer.get(), &fd, "change the weights");
}

Result<std::vector<std::vector<std::uint8_t>>> read_scratch(const Descriptor& scratch, std::int64_t bytes) {
  std::ifstream possible("/sys/devices/system/cpu/possible");
  std::string range;
  std::getline(possible, range);
  const std::size_t dash = range.rfind('-'), comma = range.rfind(',');
  const std::size_t from = dash != std::string::npos ? dash + 1 : comma != std::string::npos ? comma + 1 : 0;
  const auto processors = static_cast<std::size_t>(std::atoi(range.c_str() + from)) + 1;
  std::vector<std::uint8_t> all(processors * static_cast<std::size_t>(bytes));
  const std::uint32_t key = 0;
  ElementAttributes attributes;
  attributes.map = static_cast<std::uint32_t>(scratch.get());
  attributes.key = pointer(&key);
  attributes.value = pointer(all.data());
  if (bpf(kMapLookup, attributes) != 0) return refused("read its counters", errno);
  std::vector<std::vector<std::uint8_t>> parts;
  for (std::size_t i = 0; i < processors; ++i)
    parts.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i) * bytes,
                       all.begin() + static_cast<std::ptrdiff_t>(i + 1) * bytes);
  return parts;
}

Result<Descriptor> load_program(const Code& code, std::span<const int> maps, std::string name) {
  std::vector<Instruction> instructions = code.instructions;
  for (const std::size_t at : code.maps) instructions[at].immediate = maps[static_cast<std::size_t>(instructions[at].immediate)];
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  LoadAttributes attributes;
  attributes.count = static_cast<std::uint32_t>(instructions.size());
  attributes.instructions = pointer(instructions.data());
  attributes.license = pointer("Apache-2.0");
  std::copy_n(name.data(), std::min<std::size_t>(name.size(), 15), static_cast<char*>(attributes.name));
  int fd = bpf(kProgLoad, attributes);
  if (fd >= 0) return Descriptor(fd);
  const int error = errno;
  std::string log(1U << 22, '\0');  // asked for only now: writing it takes longer than verifying
  attributes.log_level = 1;
  attributes.log_size = static_cast<std::uint32_t>(log.size());
  attributes.log = pointer(log.data());
  fd = bpf(kProgLoad, attributes);
  if (fd >= 0) return Descriptor(fd);
  log.resize(std::strlen(log.c_str()));
  return refused("load a program", error, verdict_in(log));
}

Result<TestRun> test_run(const Descriptor& program, std::vector<std::uint8_t>& frame, std::uint32_t repeat) {
  std::vector<std::uint8_t> out(frame.size() + 64);
  TestAttributes attributes;
  attributes.program = static_cast<std::uint32_t>(program.get());
  attributes.size_in = static_cast<std::uint32_t>(frame.size());
  attributes.size_out = static_cast<std::uint32_t>(out.size());
  attributes.in = pointer(frame.data());
  attributes.out = pointer(out.data());
  attributes.repeat = repeat;
  if (bpf(kTestRun, attributes) != 0) return refused("try the program on a packet", errno);
  frame.assign(out.begin(), out.begin() + attributes.size_out);
  return TestRun{attributes.result, static_cast<double>(attributes.nanoseconds)};
}

Result<ProgramFacts> facts_of(const Descriptor& program) {
  std::uint8_t info[256] = {};  // struct bpf_prog_info
  InfoAttributes attributes;
  attributes.fd = static_cast<std::uint32_t>(program.get());
  attributes.size = sizeof(info);
  attributes.info = pointer(static_cast<const void*>(info));
  if (bpf(kInfo, attributes) != 0) return refused("ask about a program", errno);
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, static_cast<const std::uint8_t*>(info) + at, sizeof(value));
    return static_cast<std::int64_t>(value);
  };
  return ProgramFacts{word(216), word(16)};
}

Result<Descriptor> link_xdp(const Descriptor& program, const std::string& interface, std::uint32_t flags) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0)
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted a network interface, got '{}'; try one that ip link lists", interface)};
  LinkAttributes attributes;
  attributes.program = static_cast<std::uint32_t>(program.get());
  attributes.target = index;
  attributes.flags = flags;
  const int fd = bpf(kLinkCreate, attributes);
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
  if (bpf(kLinkUpdate, attributes) != 0) return refused("change the program", errno);
  return {};
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
