// bytecode, images and frames → the kernel, by bpf(2) alone; whatever it refuses → one sentence that names what is missing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inkernel/assembler.h"
#include "soma/error.h"

namespace soma::bpf {

/// A descriptor, closed at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

[[nodiscard]] Result<Descriptor> create_image_map(std::span<const std::uint8_t> image);
/// A map of one map, of the kind `inner` is.
[[nodiscard]] Result<Descriptor> create_outer_map(const Descriptor& inner);
[[nodiscard]] Result<Descriptor> create_scratch_map(std::int64_t bytes);
/// kBucketBytes, full of nothing but the seed.
[[nodiscard]] Result<Descriptor> create_buckets_map(std::uint64_t seed);
/// What the outer map holds from the next packet on. Waits until no packet is under way with the old one.
[[nodiscard]] Result<void> set_inner(const Descriptor& outer, const Descriptor& inner);
/// A value of the scratch map for each processor.
[[nodiscard]] Result<std::vector<std::vector<std::uint8_t>>> read_scratch(const Descriptor& scratch, std::int64_t bytes);

/// `maps` has a descriptor for each Map that the code names. `name` is shown by bpftool.
[[nodiscard]] Result<Descriptor> load_program(const Code& code, std::span<const int> maps, std::string name);

struct TestRun {
  std::uint32_t result = 0;
  double nanoseconds = 0;
};
/// `frame` becomes what the program leaves of it.
[[nodiscard]] Result<TestRun> test_run(const Descriptor& program, std::vector<std::uint8_t>& frame, std::uint32_t repeat);

struct ProgramFacts {
  std::int64_t verified_instructions = 0, jited_bytes = 0;
};
[[nodiscard]] Result<ProgramFacts> facts_of(const Descriptor& program);

/// XDP flags: 0 = native if the driver can, kGeneric, kNative. Gone when the descriptor is closed.
inline constexpr std::uint32_t kGeneric = 1U << 1, kNative = 1U << 2;
[[nodiscard]] Result<Descriptor> link_xdp(const Descriptor& program, const std::string& interface, std::uint32_t flags);
[[nodiscard]] Result<void> update_link(const Descriptor& link, const Descriptor& program);

/// "veth", or what else the driver of a network interface calls itself; "" where it does not say.
std::string driver_of(const std::string& interface);

}  // namespace soma::bpf
