// bytecode, images and frames → the kernel, by bpf(2) alone; whatever it refuses → one sentence that names what is missing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
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

/// What bpftool calls the maps.
inline constexpr std::string_view kImageName = "soma_image", kModelName = "soma_model", kScratchName = "soma_scratch",
                                  kBucketsName = "soma_buckets", kCountersName = "soma_counters", kStreamsName = "soma_streams";

[[nodiscard]] Result<Descriptor> create_image_map(std::span<const std::uint8_t> image);
/// A map of one map, of the kind `inner` is.
[[nodiscard]] Result<Descriptor> create_outer_map(const Descriptor& inner);
[[nodiscard]] Result<Descriptor> create_scratch_map(std::int64_t bytes);
/// kBucketBytes, full of nothing but the seed.
[[nodiscard]] Result<Descriptor> create_buckets_map(std::uint64_t seed);
[[nodiscard]] Result<Descriptor> create_counters_map();
/// The last ones of so many streams, `bytes` each.
[[nodiscard]] Result<Descriptor> create_streams_map(std::int64_t streams, std::int64_t bytes);
/// The same with other keys.
[[nodiscard]] Result<Descriptor> create_hash_map(std::int64_t entries, std::int64_t key, std::int64_t bytes);
/// In the place of sources.
[[nodiscard]] Result<Descriptor> create_verdicts_map(std::span<const std::uint8_t> verdicts);
/// What the outer map holds from the next packet on. Waits until no packet is under way with the old one.
[[nodiscard]] Result<void> set_inner(const Descriptor& outer, const Descriptor& inner);
/// A map's only value (of each processor where it has one for each), and the same written. A value that programs read meanwhile
/// is torn by writing it.
[[nodiscard]] Result<std::vector<std::uint8_t>> read_map(const Descriptor& map);
[[nodiscard]] Result<void> write_map(const Descriptor& map, std::span<const std::uint8_t> value);
/// The sum of each of its words over the processors.
[[nodiscard]] Result<std::vector<std::uint64_t>> read_counters(const Descriptor& counters);

struct MapFacts {
  std::uint32_t type = 0, value_size = 0;
  std::string name;
};
[[nodiscard]] Result<MapFacts> facts_of_map(const Descriptor& map);

/// Of the kernel that runs: Linux 6.9 is {6, 9}.
std::pair<int, int> kernel_version();

inline constexpr std::uint32_t kSocketFilter = 1, kClassify = 3, kXdp = 6;
/// `maps` has a descriptor for each Map that the code names. `name` is shown by bpftool.
[[nodiscard]] Result<Descriptor> load_program(const Code& code, std::span<const int> maps, std::string name,
                                              std::uint32_t type = kXdp);

struct TestRun {
  std::uint32_t result = 0;
  double nanoseconds = 0;
};
/// `frame` becomes what the program leaves of it.
[[nodiscard]] Result<TestRun> test_run(const Descriptor& program, std::vector<std::uint8_t>& frame, std::uint32_t repeat);

/// What a program of kClassify says to a frame that came at `nanoseconds`.
[[nodiscard]] Result<std::uint32_t> test_run_at(const Descriptor& program, std::span<const std::uint8_t> frame,
                                                std::uint64_t nanoseconds);

struct ProgramFacts {
  std::uint32_t id = 0;
  std::string name;
  std::vector<std::uint32_t> maps;  ///< their ids
  std::int64_t verified_instructions = 0, jited_bytes = 0;
  std::uint64_t run_nanoseconds = 0, runs = 0;  ///< while somebody wanted statistics
};
[[nodiscard]] Result<ProgramFacts> facts_of(const Descriptor& program);

}  // namespace soma::bpf
