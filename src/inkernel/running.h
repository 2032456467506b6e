// what a process left in the maps of its program → that program, for any other process to look at and to change.
#pragma once

#include "inkernel/compiled.h"
#include "inkernel/links.h"

namespace soma::bpf {

enum class Place : std::uint16_t { generic = 0, native = 1, ingress = 2, egress = 3 };

/// In the map of sources, written before the program is attached.
struct Record {
  char interface[16] = {};
  char pin[104] = {};
  std::uint32_t process = 0;
  std::uint16_t port = 0;
  Place place = Place::generic;
  std::int64_t questions_per_second = 0;
  double int16_units = 0;
  std::int64_t streams = 0;
};
static_assert(kRecord + static_cast<std::int64_t>(sizeof(Record)) <= kBuckets);
[[nodiscard]] Result<void> write_record(const Descriptor& buckets, const Record& record);

KernelCounters counters_of(std::span<const std::uint64_t> words);

/// Puts a model in the place of `now`, which is attached by `link` (null: by nothing), after a check of its own.
[[nodiscard]] Result<KernelSwap> replace(Loaded& now, const Descriptor* link, const Compiled& compiled, std::uint16_t port);

/// Everything about a link of soma's.
struct Running {
  Descriptor link;
  Loaded loaded;
  Record record;
  std::vector<std::uint8_t> image;
};
/// Fails on links that are none of soma's, or that are detached.
[[nodiscard]] Result<Running> running_at(std::uint32_t link);

}  // namespace soma::bpf
