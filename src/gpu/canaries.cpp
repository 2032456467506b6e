// every arena before a step and after it → the first number changed that no dispatch of the step may write.
#include "gpu/canaries.h"

#include <fmt/format.h>

#include <algorithm>

namespace soma::gpu {
namespace {

constexpr std::uint32_t kPoison = 0x7fc0beef;   // a NaN nobody works out
constexpr std::uint32_t kCanary = 0x4b3c614e;   // 12345678: read by mistake it shows, and no optimizer leaves it there
constexpr std::uint32_t kNothing = 0x80000000;  // −0, among gradients, whose norm is taken with what lies between them

constexpr std::array names = {"parameters", "gradients", "state0",  "state1",  "work",  "start",     "numbers",
                              "records",    "order",     "samples", "targets", "table", "loss_table"};
static_assert(names.size() == kArenas);

/// Of one step, in the arenas whose ranges reach to the end of what many steps need; else all of it.
std::int64_t of_one_step(Arena arena, std::int64_t size) { return arena == Arena::records ? kRecordNumbers : size; }

}  // namespace

Plan with_guards(Plan plan) {
  std::vector<Parameter*> in_order;
  for (Parameter& p : plan.parameters) in_order.push_back(&p);
  std::sort(in_order.begin(), in_order.end(), [](const Parameter* a, const Parameter* b) { return a->offset < b->offset; });
  const std::array ends = {&plan.weight_end, &plan.trained_end, &plan.parameter_end};
  std::array<std::int64_t, ends.size()> moved{};
  for (std::int64_t i = 0; i < std::ssize(in_order); ++i) {
    Parameter& p = *in_order[static_cast<std::size_t>(i)];
    for (std::size_t e = 0; e < ends.size(); ++e)
      if (p.offset < *ends[e]) moved[e] += kParameterAlignment;
    p.offset += i * kParameterAlignment;
  }
  for (std::size_t e = 0; e < ends.size(); ++e) *ends[e] += moved[e];
  return plan;
}

std::array<std::vector<bool>, kArenas> Canaries::ours(Device& device, bool written) const {
  std::array<std::vector<bool>, kArenas> all;
  for (std::size_t a = 0; a < kArenas; ++a) all[a].resize(static_cast<std::size_t>(device.size(static_cast<Arena>(a))));
  for (const auto* list : {&program_->step, &program_->last_step, &program_->evaluation})
    for (const Dispatch& dispatch : *list)
      for (const Range& range : dispatch.ranges) {
        if (written && !range.writes) continue;
        std::vector<bool>& arena = all[static_cast<std::size_t>(range.arena)];
        const std::int64_t end = std::min(range.offset + of_one_step(range.arena, range.size), std::ssize(arena));
        std::fill(arena.begin() + std::min(range.offset, end), arena.begin() + end, true);
      }
  for (const auto& [arena, numbers] : {std::pair{Arena::start, std::int64_t{4}}, {Arena::numbers, kUpdateNumbers}})
    std::fill_n(all[static_cast<std::size_t>(arena)].begin(), numbers, true);  // from the mailbox
  return all;
}

Result<void> Canaries::fill(Device& device) const {
  const auto all = ours(device, false);
  for (std::size_t a = 0; a < kArenas; ++a) {
    const auto arena = static_cast<Arena>(a);
    std::vector<std::uint32_t> words(all[a].size(), arena == Arena::gradients ? kNothing : kCanary);
    for (std::size_t i = 0; i < words.size() && arena == Arena::work; ++i)
      if (all[a][i]) words[i] = kPoison;
    if (auto put = device.upload(arena, 0, std::as_bytes(std::span(words))); !put) return put;
  }
  return {};
}

Result<Canaries::Words> Canaries::read(Device& device) {
  Words words;
  for (std::size_t a = 0; a < kArenas; ++a) {
    words[a].resize(static_cast<std::size_t>(device.size(static_cast<Arena>(a))));
    if (auto got = device.download(static_cast<Arena>(a), 0, std::as_writable_bytes(std::span(words[a]))); !got)
      return got.error();
  }
  return words;
}

Result<void> Canaries::before(Device& device) {
  auto words = read(device);
  if (!words) return words.error();
  before_ = std::move(*words);
  return {};
}

Result<std::string> Canaries::trespass(Device& device) const {
  const auto after = read(device);
  if (!after) return after.error();
  const auto may = ours(device, true);
  for (std::size_t a = 0; a < kArenas; ++a)
    for (std::size_t i = 0; i < may[a].size(); ++i)
      if (!may[a][i] && (*after)[a][i] != before_[a][i])
        return fmt::format("number {} of {} was written, outside of every range", i, names[a]);
  return std::string();
}

}  // namespace soma::gpu
