// plans → dispatches whose ranges fit, and barriers that are enough and none too many: all without a GPU.
#include "gpu/lower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <variant>

#include "gpu/barriers.h"
#include "gpu/judge.h"
#include "nn/cases.h"
#include "soma/words.h"

namespace soma::gpu {
namespace {

bool collide(const Range& a, const Range& b) {
  if (a.weave > 0 && a.weave == b.weave) return false;
  if (a.arena != b.arena || !(a.writes || b.writes) || a.size == 0 || b.size == 0) return false;
  return std::max(a.offset, b.offset) < std::min(a.offset + a.size, b.offset + b.size);
}

bool collide(const Dispatch& a, const Dispatch& b) {
  return std::any_of(a.ranges.begin(), a.ranges.end(), [&](const Range& x) {
    return std::any_of(b.ranges.begin(), b.ranges.end(), [&](const Range& y) { return collide(x, y); });
  });
}

std::vector<Program> programs() {
  std::vector<Program> all;
  Settings settings;
  const auto add = [&](const NetworkSpec& network, std::int64_t batch) {
    all.push_back(lower(make_plan(resolve(network).value(), batch, PlanFor::training).value(), settings));
  };
  for (const Trial& trial : trials()) add(trial.network, trial.batch);
  for (const Case& each : cases()) add({each.input, each.nodes, {}}, 7);
  settings.clip_norm = 1;
  settings.canaries = true;
  for (const Trial& trial : trials()) add(trial.network, trial.batch);
  return all;
}

TEST(Lower, RangesLieInTheirArenasAndBeginWhereAGpuLetsThem) {
  for (const Program& program : programs())
    for (const auto* list : {&program.step, &program.last_step, &program.evaluation})
      for (const Dispatch& dispatch : *list) {
        ASSERT_FALSE(dispatch.constants.empty());
        EXPECT_LE(dispatch.constants[0], 256U);
        for (const Range& range : dispatch.ranges) {
          EXPECT_EQ(range.offset % 64, 0) << name_of(dispatch.shader);
          EXPECT_GE(range.size, 0);
          if (range.arena > Arena::work || range.size == 0) continue;
          EXPECT_LE(range.offset + range.size, program.sizes[static_cast<std::size_t>(range.arena)]) << name_of(dispatch.shader);
        }
      }
}

// What a step can be made of, by the lists that say what there is: who adds to one of them adds a trial.
TEST(Trials, RunEveryShaderLayerStepActivationLossAndUpdateRule) {
  const auto is_below = [](std::size_t end) {
    std::set<std::size_t> all;
    for (std::size_t i = 0; i < end; ++i) all.insert(all.end(), i);
    return all;
  };
  std::set<std::size_t> shaders, layers, steps, activations, losses, rules, pools;
  for (const Trial& trial : trials()) {
    const Plan plan = plan_of(trial).value();
    for (const Dispatch& each : lower(plan, settings_of(trial)).last_step) shaders.insert(static_cast<std::size_t>(each.shader));
    for (const Step& step : plan.steps) steps.insert(step.kind.index());
    for (const Node& node : trial.network.nodes) {
      layers.insert(node.layer.index());
      if (const auto* f = std::get_if<Activation>(&node.layer)) activations.insert(static_cast<std::size_t>(f->kind));
      if (const auto* pool = std::get_if<Pool>(&node.layer)) pools.insert(static_cast<std::size_t>(pool->kind));
    }
    losses.insert(static_cast<std::size_t>(trial.loss.kind));
    rules.insert(static_cast<std::size_t>(trial.rule));
  }
#define SOMA_COUNT(name) +1
  EXPECT_EQ(shaders, is_below(0 SOMA_SHADERS(SOMA_COUNT)));
#undef SOMA_COUNT
  EXPECT_EQ(layers, is_below(std::variant_size_v<Layer>));
  EXPECT_EQ(steps, is_below(std::variant_size_v<StepKind>));
  EXPECT_EQ(activations, is_below(kActivationWords.size()));
  EXPECT_EQ(pools, is_below(2));
  EXPECT_EQ(losses, is_below(kLossWords.size() - 1));  // "auto" is one of the others by then
  EXPECT_EQ(rules, is_below(static_cast<std::size_t>(UpdateRule::nadam) + 1));
}

// Three steps in a row, as they are recorded. Within a group no dispatch touches what another one writes; and a barrier left out
// would join two that do.
TEST(Barriers, AreEnoughAndNoneTooMany) {
  for (const Program& program : programs()) {
    std::vector<std::vector<const Dispatch*>> groups(1);
    Barriers barriers;
    for (int step = 0; step < 3; ++step)
      for (const Dispatch& dispatch : program.step) {
        if (barriers.before(dispatch)) groups.emplace_back();
        groups.back().push_back(&dispatch);
      }
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t i = 0; i < groups[g].size(); ++i)
        for (std::size_t k = 0; k < i; ++k) EXPECT_FALSE(collide(*groups[g][k], *groups[g][i])) << name_of(groups[g][i]->shader);
      if (g == 0) continue;
      const bool needed = std::any_of(groups[g - 1].begin(), groups[g - 1].end(),
                                      [&](const Dispatch* earlier) { return collide(*earlier, *groups[g].front()); });
      EXPECT_TRUE(needed) << name_of(groups[g].front()->shader);
    }
  }
}

TEST(Barriers, OfMnistCnnCutAStepInEightGroups) {
  const NetworkSpec network{{1, 28, 28},
                            {{"", Conv2d{.out = 32, .kernel_h = 5, .kernel_w = 5, .padding_h = 2, .padding_w = 2}, {}, {}},
                             {"", act(Activation::Kind::relu), {}, {}},
                             {"", Pool{}, {}, {}},
                             {"", Flatten{}, {}, {}},
                             {"", Linear{128, true}, {}, {}},
                             {"", act(Activation::Kind::relu), {}, {}},
                             {"", Linear{10, true}, {}, {}}},
                            {}};
  const Program program = lower(make_plan(resolve(network).value(), 64, PlanFor::training).value(), {});
  Barriers barriers;
  int count = 0;
  for (int step = 0; step < 2; ++step)
    for (const Dispatch& dispatch : program.step)
      if (barriers.before(dispatch) && step == 1) ++count;
  EXPECT_LE(count, 8);
}

}  // namespace
}  // namespace soma::gpu
