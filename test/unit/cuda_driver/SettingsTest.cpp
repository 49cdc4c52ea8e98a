// INGOT_EMULATOR is read as it is written, or refused.
#include "tools/cuda-emulator/driver/settings.h"
#include <gtest/gtest.h>

using namespace ingot;
using namespace ingot::emulator;

TEST(Settings, EveryKeyIsRead) {
  Settings settings;
  Status status =
      parse_settings("sm=80,sms=108,memory=80G,seed=9,threads=2,driver=12010,races=1,fail=cuMemAlloc_v2:3:2,"
                     "fail=*:7,hang=spin,log=emulator.log,mutate=7,coverage=lines,grid=3,times=5,drift=1,devices=0",
                     &settings);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(settings.sm, 80u);
  EXPECT_EQ(settings.memory, size_t(80) << 30);
  EXPECT_EQ(settings.driver, 12010);
  EXPECT_TRUE(settings.races);
  EXPECT_EQ(settings.devices, 0u);
  EXPECT_EQ(settings.mutate, 7u);
  EXPECT_EQ(settings.grid, 3u);
  EXPECT_EQ(settings.times, 5u);
  EXPECT_TRUE(settings.drift);
  ASSERT_EQ(settings.injections.size(), 2u);
  EXPECT_EQ(settings.injections[0].call, "cuMemAlloc_v2");
  EXPECT_EQ(settings.injections[0].nth, 3u);
  EXPECT_EQ(settings.injections[0].error, cuda::CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(settings.injections[1].call, "");
}

TEST(Settings, WhatIsNotUnderstoodIsRefusedByName) {
  for (const char *text : {"sn=80", "sm=", "sm=eighty", "memory=12Q", "memory=99999999999999999999", "seed=-1",
                           "races=3", "fail=cuMemAlloc_v2", "fail=cuMemAlloc:1", "fail=*:0", "fail=*:x", "log="}) {
    Settings settings;
    Status status = parse_settings(text, &settings);
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_NE(std::string(status.message()).find("INGOT_EMULATOR"), std::string::npos) << text;
  }
}
