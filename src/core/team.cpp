// a region of work → the same region run by every member of a persistent thread team, then a barrier.
#include "core/team.h"

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

/// Until `value` is no longer `old`: spinning first, then asleep in the kernel.
inline std::uint32_t wait_change(const std::atomic<std::uint32_t>& value, std::uint32_t old, int spins) {
  for (int i = 0; i < spins; ++i) {
    const std::uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

Team::Team(int threads) {
  const int cores = available_threads();
  const int members = threads > 0 ? threads : cores;
  spins_ = members <= cores ? 20000 : 50;  // about 0.3 ms: longer than the serial parts of a training step
  workers_.reserve(static_cast<std::size_t>(members - 1));
  for (int member = 1; member < members; ++member) workers_.emplace_back([this, member] { work(member); });
}

Team::~Team() {
  stopping_ = true;
  region_.fetch_add(1, std::memory_order_release);
  region_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Team::dispatch(Call call, void* context) noexcept {
  if (workers_.empty()) return call(context, 0);
  call_ = call;
  context_ = context;
  running_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
  region_.fetch_add(1, std::memory_order_release);
  region_.notify_all();
  call(context, 0);
  for (std::uint32_t left = running_.load(std::memory_order_acquire); left != 0;) left = wait_change(running_, left, spins_);
}

void Team::work(int member) noexcept {
  for (std::uint32_t seen = 0;;) {
    seen = wait_change(region_, seen, spins_);
    if (stopping_) return;
    call_(context_, member);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

}  // namespace soma
