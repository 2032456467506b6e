// a region of work → the same region run by every member of a persistent thread team, then a barrier.
#include "core/team.h"

#include <new>
#include <system_error>

#include "soma/device.h"

namespace soma {
namespace {

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A wait begins with this many pauses, 40 to 100 µs: longer than the serial parts of a training step. With more members than
// cores somebody else always wants the core.
constexpr int kPauses = 2000, kPausesWhenCrowded = 50;
// Then it offers the core to whoever wants it, and tries again: the one waited for may be queued for this very core.
constexpr int kYields = 200;

/// Until `value` is no longer `old`: spinning, then yielding, then asleep in the kernel.
inline std::uint32_t wait_change(const std::atomic<std::uint32_t>& value, std::uint32_t old, int pauses) {
  for (int i = 0; i < pauses + kYields; ++i) {
    const std::uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    if (i < pauses)
      pause();
    else
      std::this_thread::yield();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

constexpr std::uint64_t packed(std::uint32_t region, std::uint32_t pieces) {
  return std::uint64_t{region} << 32 | std::uint64_t{pieces} << 16;
}

}  // namespace

Team::Team(int threads) {
  const int cores = available_threads();
  const int members = threads > 0 ? threads : cores;
  crowded_ = members > cores;
  ranges_ = std::make_unique<Range[]>(static_cast<std::size_t>(members));
  workers_.reserve(static_cast<std::size_t>(members - 1));
  try {
    for (int member = 1; member < members; ++member) workers_.emplace_back([this, member] { work(member); });
  } catch (const std::system_error&) {  // a limit on threads or memory: those there are do the work, to the same bits
  } catch (const std::bad_alloc&) {     // the same, met a little earlier
  }
}

Team::~Team() {
  stopping_.store(true, std::memory_order_relaxed);
  region_.fetch_add(1, std::memory_order_release);
  region_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Team::dispatch(Job job, std::uint32_t pieces, bool shared) noexcept {
  if (workers_.empty()) return job.call(job.context, 0, 0, 0);
  const std::uint32_t region = region_.load(std::memory_order_relaxed) + 1;
  job_ = job;
  shared_.store(shared, std::memory_order_relaxed);
  left_.store(pieces * static_cast<std::uint32_t>(size()), std::memory_order_relaxed);
  for (int owner = 0; owner < size(); ++owner)
    ranges_[static_cast<std::size_t>(owner)].word.store(packed(region, pieces), std::memory_order_release);
  region_.store(region, std::memory_order_release);
  region_.notify_all();
  take_all(region, 0, shared);
  for (std::uint32_t left = left_.load(std::memory_order_acquire); left != 0;)
    left = wait_change(left_, left, crowded_ ? kPausesWhenCrowded : kPauses);
}

// A piece that was taken keeps its region open until it is counted as done, so job_ cannot change under it.
void Team::take_pieces(std::uint32_t region, int owner, int member) noexcept {
  std::atomic<std::uint64_t>& word = ranges_[static_cast<std::size_t>(owner)].word;
  for (std::uint64_t seen = word.load(std::memory_order_acquire);;) {
    const auto pieces = static_cast<std::uint32_t>(seen >> 16 & 0xffff), next = static_cast<std::uint32_t>(seen & 0xffff);
    if (seen >> 32 != region || next == pieces) return;
    if (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    job_.call(job_.context, owner, static_cast<int>(next), member);
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1 && member != 0) left_.notify_one();
    seen = word.load(std::memory_order_acquire);
  }
}

void Team::take_all(std::uint32_t region, int member, bool shared) noexcept {
  for (int i = 0; i < (shared ? size() : 1); ++i) take_pieces(region, (member + i) % size(), member);
}

void Team::work(int member) noexcept {
  for (std::uint32_t seen = 0;;) {
    seen = wait_change(region_, seen, crowded_ ? kPausesWhenCrowded : kPauses);
    if (stopping_.load(std::memory_order_relaxed)) return;
    take_all(seen, member, shared_.load(std::memory_order_relaxed));
  }
}

}  // namespace soma
