// What fermoctl prints: times, sizes, tables, JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "ctl/human.h"
#include "ctl/json_client.h"
#include "ctl/table.h"
#include "fermoposta/v1/operations.pb.h"

namespace fermo::ctl {
namespace {

namespace v1 = ::fermoposta::v1;
using ::testing::HasSubstr;
using ::testing::Not;

WallTime At(int64_t seconds) { return FromMillis(seconds * 1000); }

TEST(HumanTest, AgesHaveTwoUnitsAtMost) {
  const WallTime now = At(1'000'000);
  EXPECT_EQ(FormatAge(now, now), "0s");
  EXPECT_EQ(FormatAge(At(999'881), now), "119s");
  EXPECT_EQ(FormatAge(At(999'880), now), "2m");
  EXPECT_EQ(FormatAge(At(1'000'000 - 7500), now), "2h 5m");
  EXPECT_EQ(FormatAge(At(1'000'000 - 4 * 86400 - 7 * 3600), now), "4d 7h");
  EXPECT_EQ(FormatAge(At(1'000'060), now), "0s");
  EXPECT_EQ(FormatUntil(At(1'000'060), now), "in 60s");
  EXPECT_EQ(FormatUntil(At(999'999), now), "now");
  EXPECT_EQ(FormatMoment(At(0), At(180)), "1970-01-01 00:00:00 UTC (3m ago)");
}

TEST(HumanTest, SizesHaveOneDecimal) {
  EXPECT_EQ(FormatOctets(0), "0 B");
  EXPECT_EQ(FormatOctets(1023), "1023 B");
  EXPECT_EQ(FormatOctets(1536), "1.5 KiB");
  EXPECT_EQ(FormatOctets(25u << 20), "25.0 MiB");
  EXPECT_EQ(FormatOctets(UINT64_MAX), "16384.0 PiB");
}

TEST(HumanTest, NothingReachesTheTerminalThatItObeys) {
  EXPECT_EQ(Printable("a\x1b[31mb\r\n\x9b\x7f~"), "a?[31mb????~");
  EXPECT_EQ(Count(1, "message"), "1 message");
  EXPECT_EQ(Count(0, "message"), "0 messages");
}

TEST(TableTest, ColumnsAreAlignedWithoutTrailingBlanks) {
  Table table({{"NAME"}, {"N", true}, {"LAST"}});
  table.Add({"a", "1000", "x"});
  table.Add({"long-name", "7", ""});
  EXPECT_EQ(table.Render(0),
            "NAME          N  LAST\n"
            "a          1000  x\n"
            "long-name     7\n");
  EXPECT_THAT(table.Render(0, false), Not(HasSubstr("NAME")));
}

TEST(TableTest, AWideTableIsCutInItsWidestColumnsToFit) {
  Table table({{"ID", false, true}, {"TEXT"}, {"OTHER"}});
  table.Add({std::string(20, 'i'), std::string(100, 't'), std::string(12, 'o')});
  std::istringstream lines(table.Render(60));
  std::string line;
  while (std::getline(lines, line)) EXPECT_LE(line.size(), 60u);
  EXPECT_THAT(table.Render(60), HasSubstr(std::string(20, 'i')));
  EXPECT_THAT(table.Render(60), HasSubstr(std::string(12, 'o')));
  EXPECT_THAT(table.Render(60), HasSubstr("t~"));
  EXPECT_THAT(table.Render(1), HasSubstr(std::string(20, 'i')));  // ids stay whole
}

TEST(JsonTest, NodeIdsAreSixteenHexDigitsAtEveryDepth) {
  v1::GetClusterStatusResponse status;
  status.add_nodes()->mutable_member()->set_node(0xabcdef);
  status.mutable_nodes(0)->mutable_status()->add_peers()->set_node(0xffffffffffffffff);
  status.add_processes()->mutable_join();
  const auto tree = nlohmann::json::parse(ToJson(status));
  EXPECT_EQ(tree["nodes"][0]["member"]["node"], "0000000000abcdef");
  EXPECT_EQ(tree["nodes"][0]["status"]["peers"][0]["node"], "ffffffffffffffff");
  EXPECT_EQ(tree["processes"][0]["join"]["node"], "0000000000000000");
  EXPECT_EQ(tree["generation"], "0");  // other 64-bit numbers as protobuf has them
  EXPECT_TRUE(tree["problems"].is_array());
  v1::Snapshot snapshot;
  snapshot.add_evicted(16);
  EXPECT_EQ(nlohmann::json::parse(ToJson(snapshot))["evicted"][0], "0000000000000010");
}

TEST(JsonTest, AListWrittenPieceByPieceIsTheWholeMessage) {
  v1::ListDomainsResponse whole;
  whole.add_domains()->set_name("a.test");
  whole.add_domains()->set_name("b\"\x01.test");
  v1::ListDomainsResponse rest;
  rest.set_next_page_token("t");
  std::ostringstream out;
  JsonList list(out, "domains");
  for (const v1::Domain& domain : whole.domains()) list.Add(domain);
  list.End(rest);
  whole.set_next_page_token("t");
  EXPECT_EQ(nlohmann::json::parse(out.str()), nlohmann::json::parse(ToJson(whole)));
  std::ostringstream nothing;
  JsonList(nothing, "domains").End(v1::ListDomainsResponse());
  EXPECT_TRUE(nlohmann::json::parse(nothing.str())["domains"].empty());
}

}  // namespace
}  // namespace fermo::ctl
