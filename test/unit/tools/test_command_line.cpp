#include "tools/cli/json.h"
#include "tools/cli/size.h"

#include <cmath>
#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Size, ReadsUnitsAndRefusesTheRest) {
  size_t bytes = 0;
  EXPECT_TRUE(parse_size("4096", &bytes) && bytes == 4096);
  EXPECT_TRUE(parse_size("1.5G", &bytes) && bytes == size_t(3) << 29);
  EXPECT_TRUE(parse_size("512MiB", &bytes) && bytes == size_t(512) << 20);
  EXPECT_TRUE(parse_size("2k", &bytes) && bytes == 2048);
  for (const char *bad : {"", "lots", "-1", "1X", "1G2", "1e300T", "nan", "inf", "9999999999T"})
    EXPECT_FALSE(parse_size(bad, &bytes)) << bad;
}

TEST(Size, ListsAreNumbersAndCommas) {
  std::vector<int32_t> numbers;
  EXPECT_TRUE(parse_list("1, 2,3", &numbers));
  EXPECT_EQ(numbers, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_TRUE(parse_list("", &numbers));
  EXPECT_TRUE(numbers.empty());
  for (const char *bad : {"1,", ",1", "1,x", "-3", "1,,2", "2147483648", "1 2", " "})
    EXPECT_FALSE(parse_list(bad, &numbers)) << bad;
}

TEST(Json, EscapesAndSeparates) {
  Json json;
  json.begin_object().text("a\"b", "c\n\\").number("x", 0.5).number("bad", std::nan(""));
  json.begin_array("list").integer("", 1).integer("", -2).end_array().boolean("yes", true).end_object();
  EXPECT_EQ(json.str(), R"({"a\"b": "c\u000a\\", "x": 0.5, "bad": null, "list": [1, -2], "yes": true})");
}

} // namespace
} // namespace ingot
