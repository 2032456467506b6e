// regions of work → each unit done exactly once, whatever the number of members, and no memory asked for.
#include "core/team.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <numeric>

#include "allocations.h"
#include "soma/device.h"

namespace soma {
namespace {

TEST(Team, DoesEachUnitOnce) {
  for (const int members : {1, 2, 3, 8}) {
    Team team(members);
    EXPECT_EQ(team.size(), members);
    for (const std::int64_t count : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      std::vector<int> done(static_cast<std::size_t>(count), 0);
      team.share(count, [&](std::int64_t begin, std::int64_t end, int member) {
        EXPECT_LT(begin, end);
        EXPECT_LT(member, members);
        for (std::int64_t i = begin; i < end; ++i) ++done[static_cast<std::size_t>(i)];
      });
      EXPECT_EQ(done, std::vector<int>(static_cast<std::size_t>(count), 1)) << count << " units, " << members << " members";
    }
  }
}

TEST(Team, RunsEveryMemberOnceInEachRegionAndWaitsForAll) {
  Team team(4);
  std::array<std::int64_t, 4> sums{};
  for (std::int64_t region = 0; region < 5000; ++region) {
    team.run([&](int member) { sums[static_cast<std::size_t>(member)] += region; });
    ASSERT_EQ(std::accumulate(sums.begin(), sums.end(), std::int64_t{0}), 4 * region * (region + 1) / 2);
  }
}

// A member that is kept away after its first piece: the others do the rest of its share.
TEST(Team, TakesOverFromAMemberThatIsLate) {
  Team team(2);
  std::atomic<int> pieces{0};
  std::atomic<std::int64_t> units{0};
  team.share(1000, [&](std::int64_t begin, std::int64_t end, int member) {
    units += end - begin;
    // The worker stays in its first piece until everything else is done.
    if (member == 1)
      while (units < 1000) std::this_thread::yield();
    ++pieces;
  });
  EXPECT_EQ(units, 1000);
  EXPECT_EQ(pieces, 8);
}

TEST(Team, WakesMembersThatFellAsleep) {
  Team team(3);
  std::atomic<int> calls{0};
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    team.run([&](int) { ++calls; });
  }
  EXPECT_EQ(calls, 9);
}

TEST(Team, AsksForNoMemoryInARegion) {
  Team team(2);
  std::atomic<int> calls{0};
  const AllocationCounter counter;
  for (int i = 0; i < 100; ++i) team.run([&](int) { ++calls; });
  EXPECT_EQ(counter.count(), 0);
  EXPECT_EQ(calls, 200);
}

TEST(Team, TakesAllCoresWhenNotToldHowMany) { EXPECT_EQ(Team().size(), available_threads()); }

}  // namespace
}  // namespace soma
