// the outputs of a layer → the same outputs, worked out by one way of handing them to threads.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

namespace soma {

/// A layer as the Go service sees it: `count` numbers, none of which needs another.
struct Outputs {
  std::int64_t count = 0;
  const void* context = nullptr;
  void (*compute)(const void* context, std::int64_t first, std::int64_t last) noexcept = nullptr;  ///< outputs [first, last)

  void operator()(std::int64_t first, std::int64_t last) const noexcept { compute(context, first, last); }
};

/// A task: outputs [first, last) of a layer.
struct Job {
  const Outputs* outputs = nullptr;
  std::int64_t first = 0, last = 0;
};

/// One way of working out a layer. run() returns when every output is there; one thread calls it at a time. What a call takes
/// from the heap it takes from the memory the strategy was made with (a thread's own state excepted, which std::thread takes).
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// Hands out `batch` ≥ 1 outputs at a time.
  virtual void run(const Outputs& outputs, std::int64_t batch) = 0;
};

// The four of the Go service. `memory` must outlive the strategy and be safe from several threads.

/// One loop.
std::unique_ptr<Strategy> make_sequential();
/// One task per batch, as cheap as a task can be that may run on another thread: a block from the heap, appended without a lock
/// to the list of one of `threads` lasting threads (the caller is one of them), which is what Go's runtime does with a goroutine.
std::unique_ptr<Strategy> make_goroutine(int threads, std::pmr::memory_resource* memory);
/// A queue that holds all jobs and `threads` workers, both made anew in each call.
std::unique_ptr<Strategy> make_worker_pool(int threads, std::pmr::memory_resource* memory);
/// The same queue and workers, made once.
std::unique_ptr<Strategy> make_static_worker_pool(int threads, std::pmr::memory_resource* memory);

/// A strategy's name in the published table, and how to make it.
struct StrategyKind {
  const char* name;
  std::unique_ptr<Strategy> (*make)(int threads, std::pmr::memory_resource* memory);
};
/// In the order of the published table.
const std::vector<StrategyKind>& strategy_kinds();

/// f(first, last) for each batch of [0, count).
template <class F>
void for_each_batch(std::int64_t count, std::int64_t batch, F&& f) {
  for (std::int64_t first = 0; first < count; first += batch) f(first, first + batch < count ? first + batch : count);
}

}  // namespace soma
