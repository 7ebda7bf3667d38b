#include "smtp-frontend/frontend_config.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "fermoposta/v1/config.pb.h"

namespace fermo::frontend {
namespace {

using fermoposta::v1::FrontendConfig;

constexpr char kGood[] =
    "name: f1\n"
    "region: roma\n"
    "hostname: mx.backup.example\n"
    "listen: 127.0.0.1:2525\n"
    "http_listen: 127.0.0.1:8080\n"
    "coordinators: [127.0.0.1:7000]\n"
    "state_dir: state\n"
    "insecure: true\n";

std::string Problems(const std::string& yaml, FrontendConfig* config) {
  ConfigSource source;
  absl::Status status = ParseYaml(yaml, "f.yaml", config, &source);
  if (status.ok()) status = CheckConfig(source, config);
  return std::string(status.message());
}

std::string Problems(const std::string& yaml) {
  FrontendConfig config;
  return Problems(yaml, &config);
}

TEST(FrontendConfig, DefaultsAreFilledIn) {
  FrontendConfig config;
  ASSERT_EQ(Problems(kGood, &config), "");
  const FrontendOptions options = ToOptions(config);
  EXPECT_EQ(options.max_message_size, uint64_t{50} << 20);
  EXPECT_EQ(options.max_connections, 1000u);
  EXPECT_EQ(options.max_recipients, 1000u);
  EXPECT_EQ(options.command_timeout, std::chrono::minutes(5));
  EXPECT_EQ(options.data_timeout, std::chrono::minutes(3));
  EXPECT_EQ(options.drain_timeout, std::chrono::seconds(30));
  EXPECT_EQ(options.hostname, "mx.backup.example");
  EXPECT_EQ(options.listen.port, 2525);
  EXPECT_EQ(config.max_message_size(), "50MiB");
  EXPECT_EQ(config.log().level(), "info");
}

TEST(FrontendConfig, EveryMissingKeyIsNamedAtOnce) {
  const std::string problems = Problems("insecure: true\n");
  for (const char* key :
       {"name", "region", "hostname", "listen", "http_listen", "coordinators", "state_dir"}) {
    EXPECT_NE(problems.find(std::string(" ") + key + ": "), std::string::npos) << key;
  }
}

TEST(FrontendConfig, WrongValuesAreRefusedWithFileAndLine) {
  const std::string good = kGood;
  const auto refused = [&good](const std::string& line) {
    return Problems(good + line + "\n").starts_with("f.yaml:9: ");
  };
  EXPECT_TRUE(refused("max_message_size: 10KiB"));
  EXPECT_TRUE(refused("max_recipients: 99"));
  EXPECT_TRUE(refused("max_recipients: 1001"));  // more than a record holds
  EXPECT_TRUE(refused("postmaster_domain: 'not a domain'"));
  EXPECT_TRUE(refused("max_connections: 200000"));
  EXPECT_TRUE(refused("command_timeout: 500ms"));
  EXPECT_TRUE(refused("data_timeout: 2d"));
  EXPECT_TRUE(refused("drain_timeout: soon"));
  EXPECT_TRUE(refused("advertise_address: ':'"));
  EXPECT_TRUE(refused("advertise_address: mx.backup.example:0"));
  EXPECT_TRUE(refused("colour: red"));
  EXPECT_EQ(Problems(good + "max_recipients: 100\n"), "");
}

TEST(FrontendConfig, NamesAndPlacesAreChecked) {
  std::string yaml = kGood;
  yaml.replace(yaml.find("mx.backup.example"), 17, "not_a host       ");
  EXPECT_EQ(Problems(yaml), "f.yaml:3: hostname: must be a domain name, such as mx.example.org");
  yaml = kGood;
  yaml.replace(yaml.find("roma"), 4, "ro ma");
  EXPECT_EQ(Problems(yaml), "f.yaml:2: region: must be 1 to 63 letters, digits, '-', '_' or '.'");
  yaml = kGood;
  yaml.replace(yaml.find("127.0.0.1:7000"), 14, "192.0.2.1:7000");
  EXPECT_NE(Problems(yaml).find("coordinators[0]"), std::string::npos);
  yaml = kGood;
  yaml.replace(yaml.find("127.0.0.1:2525"), 14, "mx.example:25");
  EXPECT_EQ(Problems(yaml),
            "f.yaml:4: listen: must be an IP address or localhost; names are not looked up here");
  yaml = kGood;
  yaml.replace(yaml.find("127.0.0.1:8080"), 14, "myhost:8080");
  EXPECT_EQ(
      Problems(yaml),
      "f.yaml:5: http_listen: must be an IP address or localhost; names are not looked up here");
  yaml = kGood;
  yaml.replace(yaml.find("insecure: true"), 14, "insecure: false");
  EXPECT_NE(Problems(yaml).find("insecure"), std::string::npos);
}

TEST(FrontendConfig, TheAdvertisedAddressGetsItsPort) {
  FrontendConfig config;
  ASSERT_EQ(Problems(std::string(kGood) + "advertise_address: mx.backup.example\n", &config), "");
  EXPECT_EQ(ToOptions(config).advertise_address, "mx.backup.example:25");
}

TEST(FrontendConfig, PostmastersDomainIsKeptInLowerCase) {
  FrontendConfig config;
  ASSERT_EQ(Problems(kGood, &config), "");
  EXPECT_EQ(ToOptions(config).postmaster_domain, "");
  ASSERT_EQ(Problems(std::string(kGood) + "postmaster_domain: Example.TEST\n", &config), "");
  EXPECT_EQ(ToOptions(config).postmaster_domain, "example.test");
}

}  // namespace
}  // namespace fermo::frontend
