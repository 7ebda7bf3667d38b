#include "gtest/gtest.h"
#include "lib/base/config.h"

namespace fermo {
namespace {

class FieldErrorsTest : public testing::Test {
 protected:
  void SetUp() override {
    source_.Note("name", 3);
    source_.Note("listen", 1);
    source_.Note("delivery", 5);
    source_.Note("delivery.retry_first", 6);
  }
  ConfigSource source_{"node.yaml"};
  FieldErrors errors_{source_};
};

TEST_F(FieldErrorsTest, NothingWrongIsOk) {
  EXPECT_TRUE(errors_.Require("name", "a"));
  EXPECT_EQ(errors_.DurationOr("delivery.retry_first", "2m", Duration(0)), std::chrono::minutes(2));
  EXPECT_EQ(errors_.DurationOr("delivery.retry_first", "", std::chrono::seconds(7)),
            std::chrono::seconds(7));
  EXPECT_EQ(errors_.SizeOr("name", "1KiB", 0), 1024u);
  EXPECT_EQ(errors_.SizeOr("name", "", 5), 5u);
  EXPECT_EQ(errors_.LogLevelOr("name", "error", LogLevel::kInfo), LogLevel::kError);
  EXPECT_EQ(errors_.RequiredHostPort("listen", "[::1]:25").host, "::1");
  EXPECT_EQ(errors_.RequiredHostPort("listen", "mx.test", 25).port, 25);
  EXPECT_TRUE(errors_.InRange("name", 3, 3, 3));
  EXPECT_TRUE(errors_.RequireLoopback("listen", ParseHostPort("localhost:1").value()));
  EXPECT_TRUE(errors_.ok());
  EXPECT_TRUE(errors_.ToStatus().ok());
}

TEST_F(FieldErrorsTest, ProblemsAreReportedTogetherByLine) {
  EXPECT_FALSE(errors_.Require("name", ""));
  EXPECT_EQ(errors_.DurationOr("delivery.retry_first", "soon", std::chrono::seconds(7)),
            std::chrono::seconds(7));
  EXPECT_EQ(errors_.SizeOr("delivery.spool", "1GB", 9), 9u);
  EXPECT_EQ(errors_.RequiredHostPort("listen", "nowhere").port, 0);
  EXPECT_FALSE(errors_.InRange("copies", 0, 1, 7));
  EXPECT_EQ(errors_.LogLevelOr("log.level", "loud", LogLevel::kInfo), LogLevel::kInfo);
  errors_.Add("", "something is wrong as a whole");
  EXPECT_FALSE(errors_.ok());
  EXPECT_EQ(errors_.ToStatus().message(),
            "node.yaml:1: listen: must be host:port; the port is missing\n"
            "node.yaml:1: copies: must be from 1 to 7\n"
            "node.yaml:1: log.level: must be debug, info, warning or error\n"
            "node.yaml:1: something is wrong as a whole\n"
            "node.yaml:3: name: is required\n"
            "node.yaml:5: delivery.spool: must be a size such as 64KiB, 25MiB, 1GiB or 52428800\n"
            "node.yaml:6: delivery.retry_first: must be a duration such as 500ms, 20s, 10m, 2h "
            "or 5d");
}

TEST_F(FieldErrorsTest, InsecurePlacesMustBeOnLoopback) {
  EXPECT_FALSE(errors_.RequireLoopback("listen", ParseHostPort("0.0.0.0:25").value()));
  EXPECT_EQ(errors_.ToStatus().message(),
            "node.yaml:1: listen: must be a loopback address, because insecure is true");
}

TEST_F(FieldErrorsTest, PlacesMustBeUsableWithoutAResolver) {
  const HostPort named = ParseHostPort("ns.example:53").value();
  const HostPort local = ParseHostPort("LocalHost:0").value();
  const HostPort address = ParseHostPort("[2001:db8::1]:53").value();
  EXPECT_TRUE(errors_.RequireAddress("listen", address));
  EXPECT_TRUE(errors_.RequireListenable("listen", address));
  EXPECT_TRUE(errors_.RequirePort("listen", address));
  EXPECT_TRUE(errors_.RequireListenable("listen", local));
  EXPECT_TRUE(errors_.ok());
  EXPECT_FALSE(errors_.RequireAddress("listen", named));
  EXPECT_FALSE(errors_.RequireListenable("name", named));
  EXPECT_FALSE(errors_.RequireAddress("delivery", local));
  EXPECT_FALSE(errors_.RequirePort("delivery.retry_first", local));
  EXPECT_EQ(errors_.ToStatus().message(),
            "node.yaml:1: listen: must be an IP address; names are not looked up here\n"
            "node.yaml:3: name: must be an IP address or localhost; names are not looked up here\n"
            "node.yaml:5: delivery: must be an IP address; names are not looked up here\n"
            "node.yaml:6: delivery.retry_first: port 0 is no port that others can connect to");
}

TEST_F(FieldErrorsTest, NamesAreShortAndPlain) {
  EXPECT_TRUE(errors_.RequireName("name", "Roma-1_a.example"));
  EXPECT_TRUE(errors_.RequireName("name", std::string(63, 'x')));
  EXPECT_TRUE(errors_.ok());
  EXPECT_FALSE(errors_.RequireName("listen", ""));
  for (const std::string& name : {std::string(64, 'x'), std::string("a b"), std::string("\xe9")}) {
    EXPECT_FALSE(errors_.RequireName("name", name));
  }
  const std::string wrong = "node.yaml:3: name: must be 1 to 63 letters, digits, '-', '_' or '.'";
  EXPECT_EQ(errors_.ToStatus().message(),
            "node.yaml:1: listen: is required\n" + wrong + "\n" + wrong + "\n" + wrong);
}

TEST_F(FieldErrorsTest, AMissingPlaceIsReportedOnce) {
  const HostPort place = errors_.RequiredHostPort("listen", "");
  EXPECT_TRUE(errors_.RequireLoopback("listen", place));
  EXPECT_TRUE(errors_.RequireAddress("listen", place));
  EXPECT_TRUE(errors_.RequireListenable("listen", place));
  EXPECT_TRUE(errors_.RequirePort("listen", place));
  EXPECT_EQ(errors_.ToStatus().message(), "node.yaml:1: listen: is required");
}

}  // namespace
}  // namespace fermo
