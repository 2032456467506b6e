// the steps of a plan → a place for each value, shared by those that are never wanted at the same time.
#include <algorithm>
#include <functional>
#include <numeric>

#include "core/arena.h"
#include "nn/plan.h"

namespace soma {
namespace {

/// From the step that writes a value to the last that reads it.
struct Life {
  std::int64_t first = 0, last = 0;
  std::int64_t size = 0, offset = -1;

  [[nodiscard]] bool meets(const Life& other) const { return first <= other.last && other.first <= last; }
};

/// The lowest place where `life` meets nobody that is alive with it.
std::int64_t lowest_gap(const Life& life, std::vector<const Life*> placed) {
  std::erase_if(placed, [&](const Life* other) { return !other->meets(life); });
  std::ranges::sort(placed, {}, &Life::offset);
  std::int64_t offset = 0;
  for (const Life* other : placed) {
    if (offset + life.size <= other->offset) break;
    offset = std::max(offset, other->offset + other->size);
  }
  return offset;
}

}  // namespace

ValueId written_value(const StepKind& step) {
  return std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.y; })
          return kind.y;
        else
          return kind.value;
      },
      step);
}

// The input lies first, where Net looks for it; then large values before small ones, each as low as it goes: within a few percent
// of the best there is on networks of this kind (Pisarchyk and Lee 2020, "Efficient memory management for deep neural net
// inference", greedy by size).
void share_memory(Plan& plan) {
  const auto end = static_cast<std::int64_t>(plan.steps.size());
  std::vector<Life> lives(plan.values.size());
  const auto life_of = [&](ValueId id) -> Life& { return lives[static_cast<std::size_t>(id)]; };
  for (std::size_t v = 0; v < lives.size(); ++v) lives[v].size = aligned<float>(plan.max_batch * plan.values[v].extent.size());
  for (std::int64_t s = 0; s < end; ++s) {
    const StepKind& step = plan.steps[static_cast<std::size_t>(s)].kind;
    life_of(written_value(step)).first = life_of(written_value(step)).last = s;
    for_each_input(step, [&](const Input& input) { life_of(input.value).last = s; });
  }
  life_of(0) = {.first = 0, .last = end, .size = life_of(0).size};  // the input and the output stay
  life_of(plan.output).last = end;

  std::vector<std::size_t> order(lives.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order.begin() + 1, order.end(), std::greater<>(), [&](std::size_t v) { return lives[v].size; });
  std::vector<const Life*> placed;
  plan.activations = 0;
  for (const std::size_t v : order) {
    lives[v].offset = plan.values[v].offset = lowest_gap(lives[v], placed);
    placed.push_back(&lives[v]);
    plan.activations = std::max(plan.activations, lives[v].offset + lives[v].size);
  }
}

}  // namespace soma
