// bytecode, images and frames → the kernel, by bpf(2) alone; whatever it refuses → one sentence that names what is missing.
#include "inkernel/system.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "inkernel/call.h"
#include "inkernel/packet.h"

namespace soma::bpf {
namespace {

std::string kernel_release() {
  utsname name{};
  ::uname(&name);
  return static_cast<const char*>(name.release);
}

}  // namespace

std::pair<int, int> kernel_version() {
  std::pair<int, int> version;
  char dot = 0;
  std::istringstream(kernel_release()) >> version.first >> dot >> version.second;
  return version;
}

Error refused(std::string_view what, int error, const std::string& log) {
  const auto say = [&](std::string_view got, std::string_view next) {
    return Error{Error::Kind::unavailable, fmt::format("kernel: wanted to {}, got {}; try {}", what, got, next)};
  };
  const std::string word = std::strerror(error);
  if (error == ENOSYS) return say("a kernel without bpf(2)", "Linux 5.18 or newer");
  if (error == EPERM || error == EACCES) {
    if (log.empty())
      return say(fmt::format("'{}': CAP_BPF and CAP_NET_ADMIN are missing", word),
                 "root, or setcap cap_bpf,cap_net_admin,cap_perfmon+ep on soma");
  }
  if (error == E2BIG && log.empty())
    return say(fmt::format("'{}': too large for a map of each processor", word), "a smaller network");
  if (error == EINVAL && kernel_version() < std::pair(5, 18)) return say("Linux " + kernel_release(), "5.18 or newer");
  if (error == E2BIG && !log.empty())
    return say(fmt::format("'{}' from its verifier, which without CAP_PERFMON also follows what a processor might guess", log),
               "root, or setcap cap_bpf,cap_net_admin,cap_perfmon+ep on soma");
  if (log.empty()) return say(fmt::format("'{}'", word), "soma serve");
  return say(fmt::format("'{}' from its verifier ({})", word, log), "soma serve, and tell us");
}

namespace {

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

Result<Descriptor> create_map(MapAttributes attributes, std::string_view name, std::string_view what) {
  name.copy(static_cast<char*>(attributes.name), sizeof(attributes.name) - 1);
  const int fd = call(kMapCreate, attributes);
  if (fd < 0) return refused(what, errno);
  return Descriptor(fd);
}

/// A key of 0, which all maps here have and no other.
constexpr std::uint32_t kKey = 0;

ElementAttributes element_of(const Descriptor& map, const void* value) {
  return {static_cast<std::uint32_t>(map.get()), 0, pointer(&kKey), pointer(value)};
}

Result<void> set_element(const Descriptor& map, const void* value, std::string_view what) {
  ElementAttributes attributes = element_of(map, value);
  if (call(kMapUpdate, attributes) != 0) return refused(what, errno);
  return {};
}

Result<Descriptor> create_array_map(std::span<const std::uint8_t> value, std::string_view name, std::string_view what) {
  auto map = create_map({kArray, 4, static_cast<std::uint32_t>(value.size())}, name, what);
  if (!map) return map;
  if (const auto set = set_element(*map, value.data(), what); !set) return set.error();
  return map;
}

std::size_t possible_processors() {
  std::ifstream possible("/sys/devices/system/cpu/possible");
  std::string range;
  std::getline(possible, range);
  const std::size_t dash = range.rfind('-'), comma = range.rfind(',');
  const std::size_t from = dash != std::string::npos ? dash + 1 : comma != std::string::npos ? comma + 1 : 0;
  return static_cast<std::size_t>(std::atoi(range.c_str() + from)) + 1;
}

/// The number at a byte of one of the kernel's answers.
template <class T>
T at(std::span<const std::uint8_t> info, std::size_t place) {
  T value{};
  std::memcpy(&value, info.data() + place, sizeof(value));
  return value;
}
std::string name_at(std::span<const std::uint8_t> info, std::size_t place) {
  const std::string name(info.begin() + static_cast<std::ptrdiff_t>(place),
                         info.begin() + static_cast<std::ptrdiff_t>(place) + 16);
  return name.c_str();
}

Result<void> ask_about(const Descriptor& object, std::span<std::uint8_t> info, std::string_view what) {
  InfoAttributes attributes{static_cast<std::uint32_t>(object.get()), static_cast<std::uint32_t>(info.size()),
                            pointer(info.data())};
  if (call(kInfo, attributes) != 0) return refused(what, errno);
  return {};
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Descriptor> create_image_map(std::span<const std::uint8_t> image) {
  return create_array_map(image, kImageName, "make a map for the weights");
}

Result<Descriptor> create_outer_map(const Descriptor& inner) {
  auto map = create_map({kArrayOfMaps, 4, 4, 1, 0, static_cast<std::uint32_t>(inner.get())}, kModelName, "make a map of maps");
  if (!map) return map;
  if (const auto set = set_inner(*map, inner); !set) return set.error();
  return map;
}

Result<Descriptor> create_scratch_map(std::int64_t bytes) {
  return create_map({kPerCpuArray, 4, static_cast<std::uint32_t>(bytes)}, kScratchName, "make a map for values");
}

Result<Descriptor> create_buckets_map(std::uint64_t seed) {
  std::vector<std::uint8_t> value(static_cast<std::size_t>(kBucketBytes));
  const std::uint64_t odd = seed | 1;
  std::memcpy(value.data() + kSeed, &odd, sizeof(odd));
  return create_array_map(value, kBucketsName, "make a map for sources");
}

Result<Descriptor> create_counters_map() {
  return create_map({kPerCpuArray, 4, static_cast<std::uint32_t>(kCounterBytes)}, kCountersName, "make a map for counters");
}

Result<Descriptor> create_streams_map(std::int64_t streams, std::int64_t bytes) {
  return create_hash_map(streams, kStreamKeyBytes, bytes);
}
Result<Descriptor> create_hash_map(std::int64_t entries, std::int64_t key, std::int64_t bytes) {
  return create_map(
      {kLruHash, static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(bytes), static_cast<std::uint32_t>(entries)},
      kStreamsName, "make a map for streams");
}

Result<Descriptor> create_verdicts_map(std::span<const std::uint8_t> verdicts) {
  return create_array_map(verdicts, kBucketsName, "make a map for verdicts");
}

Result<void> set_inner(const Descriptor& outer, const Descriptor& inner) {
  const int fd = inner.get();
  return set_element(outer, &fd, "change the weights");
}

Result<std::vector<std::uint8_t>> read_map(const Descriptor& map) {
  const auto facts = facts_of_map(map);
  if (!facts) return facts.error();
  std::vector<std::uint8_t> value((facts->value_size + 7) / 8 * 8 * (facts->type == kPerCpuArray ? possible_processors() : 1));
  ElementAttributes attributes = element_of(map, value.data());
  if (call(kMapLookup, attributes) != 0) return refused("read a map", errno);
  return value;
}

Result<void> write_map(const Descriptor& map, std::span<const std::uint8_t> value) {
  return set_element(map, value.data(), "write a map");
}

Result<std::vector<std::uint64_t>> read_counters(const Descriptor& counters) {
  const auto all = read_map(counters);
  if (!all) return all.error();
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(kCounterBytes / 8));
  for (std::size_t i = 0; i < all->size() / 8; ++i) sums[i % sums.size()] += at<std::uint64_t>(*all, 8 * i);
  return sums;
}

Result<MapFacts> facts_of_map(const Descriptor& map) {
  std::uint8_t info[64] = {};  // struct bpf_map_info
  if (const auto asked = ask_about(map, info, "ask about a map"); !asked) return asked.error();
  return MapFacts{at<std::uint32_t>(info, 0), at<std::uint32_t>(info, 12), name_at(info, 24)};
}

Result<Descriptor> load_program(const Code& code, std::span<const int> maps, std::string name, std::uint32_t type) {
  std::vector<Instruction> instructions = code.instructions;
  for (const std::size_t at : code.maps) instructions[at].immediate = maps[static_cast<std::size_t>(instructions[at].immediate)];
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  LoadAttributes attributes;
  attributes.type = type;
  attributes.count = static_cast<std::uint32_t>(instructions.size());
  attributes.instructions = pointer(instructions.data());
  attributes.license = pointer("Apache-2.0");
  std::copy_n(name.data(), std::min<std::size_t>(name.size(), 15), static_cast<char*>(attributes.name));
  int fd = call(kProgLoad, attributes);
  if (fd >= 0) return Descriptor(fd);
  const int error = errno;
  std::string log(1U << 22, '\0');  // asked for only now: writing it takes longer than verifying
  attributes.log_level = 1;
  attributes.log_size = static_cast<std::uint32_t>(log.size());
  attributes.log = pointer(log.data());
  fd = call(kProgLoad, attributes);
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
  if (call(kTestRun, attributes) != 0) return refused("try the program on a packet", errno);
  frame.assign(out.begin(), out.begin() + attributes.size_out);
  return TestRun{attributes.result, static_cast<double>(attributes.nanoseconds)};
}

Result<std::uint32_t> test_run_at(const Descriptor& program, std::span<const std::uint8_t> frame, std::uint64_t nanoseconds) {
  std::uint8_t context[160] = {};  // struct __sk_buff up to its time
  std::memcpy(context + 152, &nanoseconds, sizeof(nanoseconds));
  TestAttributes attributes;
  attributes.program = static_cast<std::uint32_t>(program.get());
  attributes.size_in = static_cast<std::uint32_t>(frame.size());
  attributes.in = pointer(frame.data());
  attributes.repeat = 1;
  attributes.context_size_in = sizeof(context);
  attributes.context_in = pointer(static_cast<const void*>(context));
  if (call(kTestRun, attributes) != 0) return refused("try the program on a packet", errno);
  return attributes.result;
}

Result<ProgramFacts> facts_of(const Descriptor& program) {
  std::uint8_t info[256] = {};  // struct bpf_prog_info
  std::vector<std::uint32_t> maps(16);
  const auto room = static_cast<std::uint32_t>(maps.size());
  const std::uint64_t address = pointer(maps.data());
  std::memcpy(info + 52, &room, sizeof(room));
  std::memcpy(info + 56, &address, sizeof(address));
  if (const auto asked = ask_about(program, info, "ask about a program"); !asked) return asked.error();
  maps.resize(std::min(at<std::uint32_t>(info, 52), room));
  return ProgramFacts{at<std::uint32_t>(info, 4),   name_at(info, 64),           maps,
                      at<std::uint32_t>(info, 216), at<std::uint32_t>(info, 16), at<std::uint64_t>(info, 192),
                      at<std::uint64_t>(info, 200)};
}

}  // namespace soma::bpf
