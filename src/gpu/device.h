// a GPU of this machine, opened → arenas, programs and recordings on it. Knows no network; vulkan_*.cpp know Vulkan.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gpu/dispatch.h"
#include "soma/device.h"
#include "soma/error.h"

namespace soma::gpu {

struct Program;

/// Most steps of one recording.
inline constexpr std::int64_t kMostSteps = 256;

/// What a recording reads from the host when it starts, and leaves there when it has ended.
struct Mailbox {
  std::uint32_t first_sample = 0, first_pass_low = 0, first_pass_high = 0, unused[61] = {};
  float numbers[kMostSteps * kUpdateNumbers] = {};
  float records[kMostSteps * kRecordNumbers] = {};
};

/// One thread uses it. Every failure of the driver ends here as an Error; after one of run() the device is of no more use.
class Device {
 public:
  /// "gpu": a discrete one before an integrated one, never software. "gpu:N": that one.
  [[nodiscard]] static Result<std::unique_ptr<Device>> open(std::string_view wanted);
  virtual ~Device() = default;

  [[nodiscard]] virtual const Gpu& about() const = 0;

  /// Makes the arenas, so many numbers each, zeroed; and with `snapshot` a copy of parameters, state0 and state1 beside them.
  /// Fails, naming what is free, where they do not fit.
  [[nodiscard]] virtual Result<void> allocate(const std::array<std::int64_t, kArenas>& numbers, bool snapshot) = 0;
  [[nodiscard]] virtual Result<void> upload(Arena arena, std::int64_t offset, std::span<const std::byte> bytes) = 0;
  [[nodiscard]] virtual Result<void> download(Arena arena, std::int64_t offset, std::span<std::byte> bytes) = 0;
  [[nodiscard]] virtual Result<void> fill(Arena arena, std::uint32_t word) = 0;
  [[nodiscard]] virtual std::int64_t size(Arena arena) const = 0;  ///< in numbers

  /// Dispatches over the arenas → a program, by number. Its pipelines are made when it first runs; equal ones are shared.
  [[nodiscard]] virtual Result<std::size_t> load(std::span<const Dispatch> dispatches) = 0;

  /// `steps` repetitions of a program for batches of `rows` samples, recorded once and kept. With `snapshot` it first copies what
  /// it may change. `left_out`, ≥ 0: a barrier that is not recorded, for tests that prove each is needed.
  struct Recording {
    std::size_t program = 0;
    std::int64_t steps = 1, rows = 1;
    bool snapshot = false;
    std::int64_t left_out = -1;
    auto operator<=>(const Recording&) const = default;
  };
  [[nodiscard]] virtual Mailbox& mailbox() = 0;
  /// Runs it with what is in the mailbox, and waits for its end. Fails when the driver has reset the GPU.
  [[nodiscard]] virtual Result<void> run(const Recording& recording) = 0;
  /// The longest range that a dispatch may have, in numbers of four bytes.
  [[nodiscard]] virtual std::int64_t longest_range() const = 0;

  /// Parameters and state as they were before the last run with a snapshot.
  [[nodiscard]] virtual Result<void> restore() = 0;
  /// Seconds on the GPU's clock before each dispatch of a program's next single step, and after the last: where the time goes.
  [[nodiscard]] virtual Result<std::vector<double>> time(std::size_t program, std::int64_t rows) = 0;

  /// From now on run() fails as if the driver had reset the GPU: for tests.
  virtual void lose() = 0;
};

/// What tests force, since no user can ask for it.
struct Testing {
  std::int64_t steps_per_submit = 0;    ///< 0: as many as take 20 ms
  std::int64_t lose_at_step = -1;       ///< the driver resets the GPU when the run has made so many
  std::uint32_t storage_buffers = ~0U;  ///< that a shader may have, where the driver allows more
  std::function<void(Program&)> bend;   ///< what an engine has lowered, before the device sees it
};
Testing& testing();

}  // namespace soma::gpu
