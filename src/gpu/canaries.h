// every arena before a step and after it → the first number changed that no dispatch of the step may write.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "gpu/device.h"
#include "gpu/lower.h"

namespace soma::gpu {

/// A plan with room for guards between its parameters, as Settings::canaries wants it.
[[nodiscard]] Plan with_guards(Plan plan);

/// Guards are bound with the ranges before them (Range::guard), so that a driver that swallows writes beyond a binding lets them
/// through; they hold a number that no arithmetic leaves as it is, ranges a NaN until they are written.
class Canaries {
 public:
  /// `program` is lowered with canaries from such a plan, by whoever knows what may be written.
  explicit Canaries(const Program& program) : program_(&program) {}

  /// Fills the arenas of a device. Whatever the step reads is put there afterwards.
  [[nodiscard]] Result<void> fill(Device& device) const;
  /// Remembers what is there.
  [[nodiscard]] Result<void> before(Device& device);
  /// What the step has written where it may not: "" or its first number.
  [[nodiscard]] Result<std::string> trespass(Device& device) const;

 private:
  using Words = std::array<std::vector<std::uint32_t>, kArenas>;
  [[nodiscard]] static Result<Words> read(Device& device);
  [[nodiscard]] std::array<std::vector<bool>, kArenas> ours(Device& device, bool written) const;

  const Program* program_;
  Words before_;
};

}  // namespace soma::gpu
