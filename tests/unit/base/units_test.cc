#include "lib/base/units.h"

#include "gtest/gtest.h"

namespace fermo {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(UnitsTest, DurationsInEveryUnit) {
  EXPECT_EQ(ParseDuration("500ms").value(), milliseconds(500));
  EXPECT_EQ(ParseDuration("20s").value(), seconds(20));
  EXPECT_EQ(ParseDuration("10m").value(), minutes(10));
  EXPECT_EQ(ParseDuration("2h").value(), hours(2));
  EXPECT_EQ(ParseDuration("5d").value(), hours(120));
  EXPECT_EQ(ParseDuration("0s").value(), seconds(0));
}

TEST(UnitsTest, DurationsWithoutUnitSignOrWholeNumberAreRefused) {
  for (const char* text :
       {"", "5", "s", "-5s", "+5s", "1.5s", "5 s", " 5s", "5s ", "1h30m", "5S", "5us", "5w"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().message(), "must be a duration such as 500ms, 20s, 10m, 2h or 5d");
  }
}

TEST(UnitsTest, DurationsThatWouldOverflowAreRefused) {
  EXPECT_TRUE(ParseDuration("36525d").ok());
  for (const char* text : {"36526d", "99999999999999999999s", "18446744073709551615d"}) {
    EXPECT_EQ(ParseDuration(text).status().message(), "is too large") << text;
  }
}

TEST(UnitsTest, DurationsAreWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(FormatDuration(seconds(90)), "90s");
  EXPECT_EQ(FormatDuration(seconds(120)), "2m");
  EXPECT_EQ(FormatDuration(hours(120)), "5d");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(FormatDuration(Duration(0)), "0ms");
  EXPECT_EQ(FormatDuration(-seconds(5)), "-5s");
  EXPECT_EQ(ParseDuration(FormatDuration(hours(49))).value(), hours(49));
}

TEST(UnitsTest, SizesInEveryUnit) {
  EXPECT_EQ(ParseSize("52428800").value(), 52428800u);
  EXPECT_EQ(ParseSize("64KiB").value(), 65536u);
  EXPECT_EQ(ParseSize("25MiB").value(), 25u << 20);
  EXPECT_EQ(ParseSize("1GiB").value(), 1u << 30);
  EXPECT_EQ(ParseSize("2TiB").value(), uint64_t{2} << 40);
  EXPECT_EQ(ParseSize("010").value(), 10u);
}

TEST(UnitsTest, SizesInOtherUnitsAreRefused) {
  for (const char* text : {"", "KiB", "1KB", "1k", "1M", "-1", "1.5GiB", "1 GiB", "0x10"}) {
    EXPECT_EQ(ParseSize(text).status().message(),
              "must be a size such as 64KiB, 25MiB, 1GiB or 52428800")
        << text;
  }
  EXPECT_EQ(ParseSize("99999999999TiB").status().message(), "is too large");
}

TEST(UnitsTest, SizesAreWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(FormatSize(0), "0");
  EXPECT_EQ(FormatSize(1000), "1000");
  EXPECT_EQ(FormatSize(1536), "1536");
  EXPECT_EQ(FormatSize(25u << 20), "25MiB");
}

}  // namespace
}  // namespace fermo
