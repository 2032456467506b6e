// jobs in an order → batches, answers and refusals, with a loop that the test turns by hand.
#include "serve/batcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>

#include "model/zoo.h"

namespace soma {
namespace {

using http::Clock;

class HandLoop final : public http::Loop {
 public:
  void post(std::function<void()> action) override { action(); }
  void defer(void (*action)(void*), void* context) override {
    ready.push_back([=] { action(context); });
  }
  void after(std::chrono::microseconds, void (*action)(void*), void* context) override {
    timers.push_back([=] { action(context); });
  }
  bool turn(std::deque<std::function<void()>>& queue) {
    if (queue.empty()) return false;
    const auto action = std::move(queue.front());
    queue.pop_front();
    return action(), true;
  }
  std::deque<std::function<void()>> ready, timers;
};

struct TestJob : Job {
  std::vector<float> x, answer;
  int finished = 0;
  Outcome outcome = Outcome::done;
  TestJob(std::int64_t rows, float value)
      : x(static_cast<std::size_t>(rows) * 4, value), answer(static_cast<std::size_t>(rows) * 2, -1) {
    samples = reinterpret_cast<const std::byte*>(x.data());
    count = rows;
    y = answer.data();
    finish = [](Job& job, Outcome how) {
      ++static_cast<TestJob&>(job).finished;
      static_cast<TestJob&>(job).outcome = how;
    };
  }
};

class BatcherTest : public testing::Test {
 protected:
  std::shared_ptr<Batcher> make(Batcher::Options options) { return std::make_shared<Batcher>(*engine, counters, loop, options); }

  Model model = make_model({4}, {{.name = "out", .layer = Linear{.out = 2}}});
  std::unique_ptr<Engine> engine = Engine::create(model, 8).value();
  ModelCounters counters{8};
  HandLoop loop;
};

TEST_F(BatcherTest, JoinsWhoIsThereAndAnswersEachHisOwn) {
  const auto batcher = make({});
  std::deque<TestJob> jobs;
  for (int i = 0; i < 11; ++i) jobs.emplace_back(1, static_cast<float>(i));
  for (TestJob& job : jobs) ASSERT_TRUE(batcher->submit(job));
  EXPECT_EQ(jobs[0].finished, 0);
  ASSERT_TRUE(loop.turn(loop.ready));
  EXPECT_EQ(counters.batches[8].count.get(), 1);
  EXPECT_EQ(jobs[7].finished, 1);
  EXPECT_EQ(jobs[8].finished, 0);
  ASSERT_TRUE(loop.turn(loop.ready));
  EXPECT_EQ(counters.batches[3].count.get(), 1);
  EXPECT_FALSE(loop.turn(loop.ready));
  EXPECT_EQ(counters.waiting.get(), 0);
  for (TestJob& job : jobs) {
    TestJob alone(1, job.x[0]);
    ASSERT_TRUE(batcher->submit(alone));
    ASSERT_TRUE(loop.turn(loop.ready));
    EXPECT_EQ(job.answer, alone.answer);
  }
}

TEST_F(BatcherTest, CutsALargeJobAndLetsOthersRideAlong) {
  const auto batcher = make({});
  TestJob first(1, 1), large(20, 2), last(1, 3);
  for (TestJob* job : {&first, &large, &last}) ASSERT_TRUE(batcher->submit(*job));
  while (loop.turn(loop.ready)) {
  }
  EXPECT_EQ(first.finished + large.finished + last.finished, 3);
  EXPECT_EQ(counters.executions.get(), 3);  // 22 rows in batches of 8
  EXPECT_EQ(counters.rows.get(), 22);
  for (std::size_t i = 2; i < large.answer.size(); ++i) EXPECT_EQ(large.answer[i], large.answer[i - 2]);
  EXPECT_NE(large.answer.back(), -1);
}

TEST_F(BatcherTest, NobodyWaitsForALargeJob) {
  const auto batcher = make({});
  TestJob large(60000, 1), other(8, 2);
  ASSERT_TRUE(batcher->submit(large));
  ASSERT_TRUE(loop.turn(loop.ready));
  ASSERT_TRUE(batcher->submit(other));
  for (int turns = 0; turns < 2; ++turns) ASSERT_TRUE(loop.turn(loop.ready));
  EXPECT_EQ(other.finished, 1);
  EXPECT_EQ(large.finished, 0);
  while (loop.turn(loop.ready)) {
  }
  EXPECT_EQ(large.finished, 1);
  EXPECT_EQ(counters.rows.get(), 60008);
}

TEST_F(BatcherTest, RefusesWhatTheQueueDoesNotHold) {
  const auto batcher = make({.max_queue = 2});
  TestJob a(1, 1), b(1, 1), c(1, 1);
  EXPECT_TRUE(batcher->submit(a));
  EXPECT_TRUE(batcher->submit(b));
  EXPECT_FALSE(batcher->submit(c));
  EXPECT_EQ(counters.rejected.get(), 1);
  while (loop.turn(loop.ready)) {
  }
  EXPECT_TRUE(batcher->submit(c));
  EXPECT_TRUE(loop.turn(loop.ready));  // until then the batcher keeps itself alive
  EXPECT_EQ(c.finished, 1);
}

TEST_F(BatcherTest, ReturnsWhatCameTooLateUnrun) {
  const auto batcher = make({});
  TestJob late(30, 1), early(1, 1);
  late.deadline = Clock::now() - std::chrono::seconds(1);
  ASSERT_TRUE(batcher->submit(late));
  ASSERT_TRUE(batcher->submit(early));
  while (loop.turn(loop.ready)) {
  }
  EXPECT_EQ(late.outcome, Job::Outcome::late);
  EXPECT_EQ(early.outcome, Job::Outcome::done);
  EXPECT_EQ(late.finished + early.finished, 2);
  EXPECT_EQ(counters.rows.get(), 1);
  EXPECT_EQ(counters.late.get(), 1);
}

TEST_F(BatcherTest, WaitsForCompanyOnlyWhenAskedAndNotWhenFull) {
  const auto batcher = make({.max_delay = std::chrono::microseconds(100)});
  TestJob a(1, 1), b(8, 1);
  ASSERT_TRUE(batcher->submit(a));
  EXPECT_TRUE(loop.ready.empty());
  ASSERT_TRUE(loop.turn(loop.timers));
  EXPECT_EQ(a.finished, 1);
  ASSERT_TRUE(batcher->submit(b));
  ASSERT_TRUE(loop.turn(loop.ready));
  EXPECT_EQ(b.finished, 1);
}

TEST_F(BatcherTest, LivesUntilItsQueueIsEmpty) {
  auto batcher = make({});
  const std::weak_ptr<Batcher> watch = batcher;
  TestJob job(1, 1);
  ASSERT_TRUE(batcher->submit(job));
  batcher.reset();
  EXPECT_FALSE(watch.expired());
  ASSERT_TRUE(loop.turn(loop.ready));
  EXPECT_EQ(job.finished, 1);
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace soma
