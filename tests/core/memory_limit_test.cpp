// made-up machines and containers → the memory that a process may use there.
#include "core/memory_limit.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "core/made_up_machine.h"

namespace soma::test {
namespace {

class MemoryLimit : public MadeUpMachine {
 protected:
  MemoryLimit() { write("proc/meminfo", "MemTotal:       8388608 kB\nMemFree:        1 kB\n"); }
};

TEST_F(MemoryLimit, IsTheMachinesWithoutAContainer) {
  EXPECT_EQ(memory_limit(root), std::uint64_t{8} << 30);
  write("proc/self/cgroup", "0::/user.slice\n");
  write("sys/fs/cgroup/user.slice/memory.max", "max\n");
  EXPECT_EQ(memory_limit(root), std::uint64_t{8} << 30);
}

TEST_F(MemoryLimit, IsTheLeastOfTheGroupsOfVersion2) {
  write("proc/self/cgroup", "0::/pods/one\n");
  write("sys/fs/cgroup/pods/one/memory.max", "536870912\n");
  EXPECT_EQ(memory_limit(root), 536870912U);
  write("sys/fs/cgroup/pods/memory.max", "268435456\n");
  EXPECT_EQ(memory_limit(root), 268435456U);
}

TEST_F(MemoryLimit, IsFoundWhereAContainerSeesItsOwnGroupAsTheRoot) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "268435456\n");
  EXPECT_EQ(memory_limit(root), 268435456U);
}

TEST_F(MemoryLimit, KnowsVersion1) {
  write("proc/self/cgroup", "9:cpu,cpuacct:/a\n7:memory:/docker/x\n0::/\n");
  write("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "134217728\n");
  EXPECT_EQ(memory_limit(root), 134217728U);
  write("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(memory_limit(root), std::uint64_t{8} << 30);
  // A container that sees the whole hierarchy's name but only its own folder.
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
  EXPECT_EQ(memory_limit(root), 67108864U);
}

}  // namespace
}  // namespace soma::test
