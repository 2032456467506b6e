// the Go service's strategies → the bits of one loop, whatever is handed out at a time, and their memory fully counted.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "allocations.h"
#include "lab/go_service/counting_memory.h"
#include "lab/go_service/job_queue.h"
#include "lab/go_service/service_layers.h"
#include "lab/go_service/soma_layer.h"
#include "lab/go_service/strategy.h"

namespace soma {
namespace {

std::vector<std::unique_ptr<ServiceLayer>> small_layers() {
  std::vector<std::unique_ptr<ServiceLayer>> layers;
  layers.push_back(make_service_linear(37, 11));
  layers.push_back(make_service_linear(1, 1));
  layers.push_back(make_service_conv(3, 9, 5, 3));
  layers.push_back(make_service_conv(1, 28, 24, 5));
  return layers;
}

std::vector<float> one_loop(const ServiceLayer& layer) {
  std::vector<float> y;
  layer.forward(*make_sequential(), layer.outputs(), std::pmr::new_delete_resource(), &y);
  return y;
}

TEST(GoService, EveryStrategyGivesTheBitsOfOneLoop) {
  for (const auto& layer : small_layers()) {
    const std::vector<float> want = one_loop(*layer);
    ASSERT_EQ(want.size(), static_cast<std::size_t>(layer->outputs()));
    for (const StrategyKind& kind : strategy_kinds())
      for (const int threads : {1, 2, 5}) {
        const auto strategy = kind.make(threads, std::pmr::new_delete_resource());
        for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{7}, layer->outputs(), 2 * layer->outputs()}) {
          std::vector<float> got;
          layer->forward(*strategy, batch, std::pmr::new_delete_resource(), &got);
          EXPECT_EQ(got, want) << kind.name << ", " << threads << " threads, " << batch << " at a time";
        }
      }
  }
}

TEST(GoService, SomaGivesTheSameLayerWithinTheBoundOfItsSums) {
  Team team(2);
  for (const Kernels<float>* kernels : usable_kernels())
    for (const auto& layer : small_layers()) {
      const std::vector<float> want = one_loop(*layer);
      Net<float> net = make_soma_layer(*layer, *kernels, team);
      net.forward(1, {});
      const auto count = static_cast<std::size_t>(layer->outputs());
      const NetworkSpec spec = layer->spec();
      const auto channels = spec.input.size() == 3 ? static_cast<std::size_t>(std::get<Conv2d>(spec.nodes[0].layer).out) : count;
      const std::size_t pixels = count / channels;
      // Weights, inputs and bias lie in [−1, 1): each of the two sums of `terms` + 1 numbers is off by at most terms·ε·(terms +
      // 1).
      const auto terms = static_cast<double>(layer->terms());
      const double bound = 2 * terms * 0x1p-24 * (terms + 1) * 1.01;
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t p = 0; p < pixels; ++p)
          EXPECT_LE(std::abs(net.output()[p * channels + c] - want[c * pixels + p]), bound) << kernels->target;
    }
}

TEST(GoService, EveryBlockACallTakesIsCounted) {
  constexpr int kThreads = 3;
  for (const auto& layer : small_layers())
    for (const StrategyKind& kind : strategy_kinds()) {
      // std::thread takes the state of each thread it makes from operator new; nothing else may escape the count.
      const int states = kind.make == &make_worker_pool ? kThreads : 0;
      CountingMemory memory;
      const auto strategy = kind.make(kThreads, &memory);
      layer->forward(*strategy, 1, &memory);
      const std::int64_t before = memory.count();
      const AllocationCounter all;
      layer->forward(*strategy, 1, &memory);
      EXPECT_EQ(all.count() - states, memory.count() - before) << kind.name;
    }
}

TEST(GoService, CountsAreThoseOfItsSlicesAndTasks) {
  const auto conv = make_service_conv(1, 28, 24, 5);  // 24 channels of 24 rows: 1 + 24 + 576 slices
  CountingMemory memory;
  conv->forward(*make_sequential(), conv->outputs(), &memory);
  EXPECT_EQ(memory.count(), 601);
  EXPECT_GE(memory.bytes(), 24 * 24 * 24 * 4);
  const auto goroutine = make_goroutine(2, &memory);
  const std::int64_t before = memory.count();
  conv->forward(*goroutine, 1, &memory);
  EXPECT_EQ(memory.count() - before, 601 + 24 * 24 * 24);  // a task for every output
}

TEST(GoService, SomaTakesNothing) {
  Team team(2);
  const auto layer = make_service_conv(3, 9, 5, 3);
  Net<float> net = make_soma_layer(*layer, *usable_kernels().front(), team);
  net.forward(1, {});
  const AllocationCounter all;
  net.forward(1, {});
  EXPECT_EQ(all.count(), 0);
}

TEST(GoService, AQueueShorterThanItsJobsLosesNone) {
  JobQueue queue(2, std::pmr::new_delete_resource());
  std::int64_t sum = 0;
  std::thread reader([&] {
    while (const auto job = queue.pop()) sum += job->first;
  });
  for (std::int64_t i = 1; i <= 100; ++i) queue.push({nullptr, i, i});
  queue.close();
  reader.join();
  EXPECT_EQ(sum, 5050);
  EXPECT_FALSE(queue.pop().has_value());
}

}  // namespace
}  // namespace soma
