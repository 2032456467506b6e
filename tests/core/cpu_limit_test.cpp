// made-up machines and containers → the processors whose time a process may use there.
#include "core/cpu_limit.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/made_up_machine.h"

namespace soma::test {
namespace {

class CpuLimit : public MadeUpMachine {};
constexpr int kNone = std::numeric_limits<int>::max();

TEST_F(CpuLimit, IsNoneWithoutAQuota) {
  EXPECT_EQ(cpu_limit(root), kNone);
  write("proc/self/cgroup", "0::/user.slice\n");
  write("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_limit(root), kNone);
}

TEST_F(CpuLimit, IsTheLeastQuotaOfTheGroupsOfVersion2) {
  write("proc/self/cgroup", "0::/pods/one\n");
  write("sys/fs/cgroup/pods/one/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpu_limit(root), 4);
  write("sys/fs/cgroup/pods/cpu.max", "390000 100000\n");
  EXPECT_EQ(cpu_limit(root), 3);
  write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpu_limit(root), 1);
}

TEST_F(CpuLimit, KnowsVersion1) {
  write("proc/self/cgroup", "9:memory:/a\n7:cpu:/docker/x\n");
  write("sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_limit(root), kNone);
  write("sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(cpu_limit(root), 2);
}

}  // namespace
}  // namespace soma::test
