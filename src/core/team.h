// a region of work → the same region run by every member of a persistent thread team, then a barrier.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace soma {

/// Another way to run the units of a shared region than a team's own: train/strategy.h has some, to be compared with.
class Spread {
 public:
  using Unit = void (*)(void* context, std::int64_t begin, std::int64_t end, int member);

  Spread() = default;
  Spread(const Spread&) = delete;
  Spread& operator=(const Spread&) = delete;
  virtual ~Spread() = default;

  [[nodiscard]] virtual int members() const = 0;

  /// unit(context, i, i + 1, member) once for each 0 ≤ i < count, in any order, on any thread; a member, 0 ≤ member < members(),
  /// is never busy twice at a time. Returns when all are done. `unit` does not throw.
  virtual void share(std::int64_t count, Unit unit, void* context) noexcept = 0;
};

/// Threads that wait between regions by spinning, then asleep. The caller is member 0. A region costs about a microsecond; it
/// allocates nothing and, while the team is awake, makes no system call. Regions may not nest; one thread owns the team.
class Team {
 public:
  /// threads ≥ 1; 0 = all cores this process may use. Where the system gives fewer, size() says how many there are.
  explicit Team(int threads = 0);
  /// A team without threads of its own: what it shares, the spread runs, one unit at a time.
  explicit Team(std::unique_ptr<Spread> spread) : spread_(std::move(spread)) {}
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  [[nodiscard]] int size() const { return spread_ ? spread_->members() : static_cast<int>(workers_.size()) + 1; }

  /// Whether every unit is handed out, however small: then nobody is spared a region that is not worth it.
  [[nodiscard]] bool hands_out_all() const { return spread_ != nullptr; }

  /// f(member) once on each member, 0 ≤ member < size(). f must not throw.
  template <class F>
  void run(F&& f) noexcept {
    if (spread_) return share(size(), [&f](std::int64_t begin, std::int64_t, int) { f(static_cast<int>(begin)); });
    dispatch(erased(f, [](void* context, int owner, int, int) { (*static_cast<std::remove_reference_t<F>*>(context))(owner); }),
             1, false);
  }

  /// Cuts [0, count) into one contiguous range per member, as even as possible, and each range into a few pieces:
  /// f(begin, end, member) for each piece, never empty, in any order; `member` is the one that does it. A member starts with its
  /// own range, so the same data meet the same cache from region to region; when that is done it takes over pieces that others
  /// have not begun. So a core that the system has given to somebody else delays a region by one piece at most. With a spread:
  /// pieces of 1.
  template <class F>
  void share(std::int64_t count, F&& f) noexcept {
    if (spread_) {
      using Function = std::remove_reference_t<F>;
      const auto unit = [](void* context, std::int64_t begin, std::int64_t end, int member) {
        (*static_cast<Function*>(context))(begin, end, member);
      };
      return spread_->share(count, unit, const_cast<void*>(static_cast<const void*>(&f)));
    }
    if (size() == 1 || count <= 1) {
      if (count > 0) f(std::int64_t{0}, count, 0);
      return;
    }
    const std::int64_t pieces = std::clamp<std::int64_t>(count / size(), 1, kPieces);
    auto piece = [&](int owner, int index, int member) {
      const std::int64_t first = count * owner / size(), length = count * (owner + 1) / size() - first;
      const std::int64_t begin = first + length * index / pieces, end = first + length * (index + 1) / pieces;
      if (begin < end) f(begin, end, member);
    };
    dispatch(erased(piece, [](void* context, int owner, int index,
                              int member) { (*static_cast<decltype(piece)*>(context))(owner, index, member); }),
             static_cast<std::uint32_t>(pieces), true);
  }

 private:
  static constexpr std::int64_t kPieces = 4;  // of a member's range: the most that a late member can delay is a quarter of it

  struct Job {
    void (*call)(void* context, int owner, int index, int member) = nullptr;
    void* context = nullptr;
  };
  template <class F>
  static Job erased(F& f, void (*call)(void*, int, int, int)) {
    return {call, const_cast<void*>(static_cast<const void*>(&f))};
  }

  /// The pieces of one member's range: the region they belong to, how many there are, and the next to be taken. One word, so that
  /// a member that comes too late can take nothing from a region that is over.
  struct alignas(64) Range {
    std::atomic<std::uint64_t> word{0};
  };

  void dispatch(Job job, std::uint32_t pieces, bool shared) noexcept;
  void work(int member) noexcept;
  void take_pieces(std::uint32_t region, int owner, int member) noexcept;
  void take_all(std::uint32_t region, int member, bool shared) noexcept;

  std::unique_ptr<Spread> spread_;
  Job job_;
  std::atomic<bool> shared_{false};
  std::atomic<bool> stopping_{false};  // read by members that come too late for the last region, too
  bool crowded_ = false;               // more members than cores
  std::unique_ptr<Range[]> ranges_;
  alignas(64) std::atomic<std::uint32_t> region_{0};  // counts regions; a change starts one
  alignas(64) std::atomic<std::uint32_t> left_{0};    // pieces of the region not yet done
  std::vector<std::thread> workers_;
};

}  // namespace soma
