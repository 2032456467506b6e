// a region of work → the same region run by every member of a persistent thread team, then a barrier.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace soma {

/// Threads that wait between regions by spinning, then asleep. The caller is member 0. A region costs about a microsecond; it
/// allocates nothing and, while the team is awake, makes no system call. Regions may not nest; one thread owns the team.
class Team {
 public:
  /// threads ≥ 1; 0 = all cores this process may use.
  explicit Team(int threads = 0);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  [[nodiscard]] int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// f(member) on each member, 0 ≤ member < size(). f must not throw.
  template <class F>
  void run(F&& f) noexcept {
    using Function = std::remove_reference_t<F>;
    dispatch([](void* context, int member) { (*static_cast<Function*>(context))(member); },
             const_cast<void*>(static_cast<const void*>(&f)));
  }

  /// Cuts [0, count) into one contiguous range per member, as even as possible: f(begin, end, member), never empty.
  template <class F>
  void share(std::int64_t count, F&& f) noexcept {
    if (size() == 1 || count <= 1) {
      if (count > 0) f(std::int64_t{0}, count, 0);
      return;
    }
    run([&](int member) {
      const std::int64_t begin = count * member / size(), end = count * (member + 1) / size();
      if (begin < end) f(begin, end, member);
    });
  }

 private:
  using Call = void (*)(void* context, int member);
  void dispatch(Call call, void* context) noexcept;
  void work(int member) noexcept;

  Call call_ = nullptr;
  void* context_ = nullptr;
  bool stopping_ = false;
  int spins_ = 0;
  alignas(64) std::atomic<std::uint32_t> region_{0};   // counts regions; a change starts one
  alignas(64) std::atomic<std::uint32_t> running_{0};  // workers not yet done with the region
  std::vector<std::thread> workers_;
};

}  // namespace soma
