#include "runtime/base/allocator.h"
#include "runtime/base/clock.h"
#include "runtime/base/cpu.h"
#include "runtime/base/mxcsr.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

namespace ingot {
namespace {

TEST(Allocator, GivesZeroedAlignedMemorySmallAndLarge) {
  for (size_t bytes : {size_t(1), size_t(4097), (size_t(2) << 20) - 1, size_t(2) << 20, (size_t(5) << 20) + 123}) {
    Block block;
    ASSERT_TRUE(block.take(system_allocator(), bytes, 4096, "test").ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % 4096, 0u);
    for (size_t i = 0; i < bytes; i += 997) EXPECT_EQ(block.data()[i], 0);
    block.data()[bytes - 1] = 1;
  }
}

TEST(Allocator, AnOverflowingArrayIsNamed) {
  Array<uint64_t> array;
  Status status = array.take(system_allocator(), SIZE_MAX / 4, "prepared rows");
  EXPECT_EQ(status.code(), Code::no_memory);
  EXPECT_NE(std::string(status.message()).find("prepared rows"), std::string::npos);
  EXPECT_EQ(array.take(system_allocator(), SIZE_MAX / 16, "x").code(), Code::no_memory);
}

TEST(Clock, NeverGoesBack) {
  uint64_t before = system_clock()();
  EXPECT_LE(before, system_clock()());
}

TEST(Cpu, ForcedLevels) {
  Cpu cpu = {cpu_level_v3, false, true, 25, 97};
  CpuLevel level;
  EXPECT_TRUE(choose_level(cpu, nullptr, &level).ok());
  EXPECT_EQ(level, cpu_level_v3);
  EXPECT_TRUE(choose_level(cpu, "", &level).ok());
  EXPECT_EQ(choose_level(cpu, "v4", &level).code(), Code::unsupported);
  EXPECT_EQ(choose_level(cpu, "v5", &level).code(), Code::bad_input);
  cpu.level = cpu_level_v4;
  EXPECT_TRUE(choose_level(cpu, "v3", &level).ok());
  EXPECT_EQ(level, cpu_level_v3);
  cpu.level = cpu_level_none;
  EXPECT_NE(std::string(choose_level(cpu, nullptr, &level).message()).find("AVX2"), std::string::npos);
}

TEST(Mxcsr, IsSetAndPutBack) {
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040); // flush to zero, denormals are zero
  {
    MxcsrGuard guard;
    EXPECT_EQ(_mm_getcsr(), 0x1F80u);
  }
  EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040u);
  _mm_setcsr(before);
}

// A made-up root with the files that a quota is read from.
struct Root {
  std::filesystem::path path = std::filesystem::path(testing::TempDir()) / ("ingot_root_" + std::to_string(getpid()));
  ~Root() { std::filesystem::remove_all(path); }
  void write(const char *file, const char *text) {
    std::filesystem::path full = path / file;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  uint32_t cpus() { return usable_cpus(path.c_str()); }
};

TEST(Quota, CutsTheAffinityMask) {
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  uint32_t all = uint32_t(CPU_COUNT(&set));
  {
    Root root;
    EXPECT_EQ(root.cpus(), all);
    root.write("proc/self/cgroup", "0::/a/b\n");
    root.write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    EXPECT_EQ(root.cpus(), all);
    root.write("sys/fs/cgroup/a/cpu.max", "50000 100000\n"); // an ancestor's half a processor
    EXPECT_EQ(root.cpus(), 1u);
    root.write("sys/fs/cgroup/a/cpu.max", "99900000 100000\n");
    EXPECT_EQ(root.cpus(), all);
    root.write("sys/fs/cgroup/cpu.max", "100000 100000\n"); // the container's own root
    EXPECT_EQ(root.cpus(), 1u);
  }
  Root root;
  root.write("proc/self/cgroup", "7:memory:/x\n5:cpuset,cpu,cpuacct:/x\n");
  root.write("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1");
  root.write("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000");
  EXPECT_EQ(root.cpus(), all);
  root.write("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "90000");
  EXPECT_EQ(root.cpus(), 1u);
}

} // namespace
} // namespace ingot
