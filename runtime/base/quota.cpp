// The share of the machine that this process may use: affinity mask and cgroup quotas.
#include "runtime/base/cpu.h"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>

namespace ingot {
namespace {

// Reads a small text file; false when it is not there.
bool read_text(const char *path, char *text, size_t capacity) {
  FILE *file = fopen(path, "re");
  if (!file) return false;
  size_t length = fread(text, 1, capacity - 1, file);
  fclose(file);
  text[length] = 0;
  return length > 0;
}

// CPUs that a quota of `quota` microseconds every `period` keeps busy, rounded up.
uint32_t cpus_of(long long quota, long long period) {
  if (quota <= 0 || period <= 0) return UINT_MAX;
  long long cpus = quota / period + (quota % period != 0);
  return uint32_t(std::min<long long>(cpus, UINT_MAX));
}

uint32_t quota_v2(const char *folder) {
  char path[4200], text[128];
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (!read_text(path, text, sizeof text) || strncmp(text, "max", 3) == 0) return UINT_MAX;
  long long quota = 0, period = 0;
  return sscanf(text, "%lld %lld", &quota, &period) == 2 ? cpus_of(quota, period) : UINT_MAX;
}

uint32_t quota_v1(const char *folder) {
  char path[4200], text[128];
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
  if (!read_text(path, text, sizeof text)) return UINT_MAX;
  long long quota = atoll(text);
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  return read_text(path, text, sizeof text) ? cpus_of(quota, atoll(text)) : UINT_MAX;
}

// The tightest quota of `base``group` and its ancestors up to `base`.
uint32_t tightest(const char *base, const char *group, uint32_t (*quota)(const char *)) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s%s", base, group);
  uint32_t cpus = UINT_MAX;
  size_t least = strlen(base);
  for (size_t end = strlen(folder);;) {
    cpus = std::min(cpus, quota(folder));
    if (end <= least) return cpus;
    do --end;
    while (end > least && folder[end] != '/');
    folder[end] = 0;
  }
}

// A line of /proc/self/cgroup is "id:controllers:path"; v2's id is 0 and its controllers are empty.
uint32_t quota_of_line(const char *root, char *line) {
  char *controllers = strchr(line, ':');
  char *group = controllers ? strchr(controllers + 1, ':') : nullptr;
  if (!group) return UINT_MAX;
  *group++ = 0;
  ++controllers;
  char base[1024];
  if (!*controllers) {
    snprintf(base, sizeof base, "%s/sys/fs/cgroup", root);
    return tightest(base, group, quota_v2);
  }
  char padded[256];
  snprintf(padded, sizeof padded, ",%s,", controllers);
  if (!strstr(padded, ",cpu,")) return UINT_MAX;
  snprintf(base, sizeof base, "%s/sys/fs/cgroup/cpu", root);
  return tightest(base, group, quota_v1);
}

uint32_t affinity() {
  // More than 1024 processors need a larger mask: the call fails until it is large enough.
  for (int cpus = 1024; cpus <= 65536; cpus *= 4) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (!set) return 1;
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return uint32_t(count);
  }
  return 1;
}

} // namespace

uint32_t usable_cpus(const char *root) {
  uint32_t cpus = affinity();
  char path[1024], text[8192];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  if (!read_text(path, text, sizeof text)) return cpus;
  char *rest = nullptr;
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(nullptr, "\n", &rest))
    cpus = std::min(cpus, quota_of_line(root, line));
  return std::max(cpus, 1u);
}

} // namespace ingot
