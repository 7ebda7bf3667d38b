#include "coordinator/coordinator_config.h"

#include <gtest/gtest.h>

#include <string>

#include "fermoposta/v1/config.pb.h"

namespace fermo::coordinator {
namespace {

constexpr char kGood[] =
    "name: c1\n"
    "listen: 127.0.0.1:7410\n"
    "http_listen: 0.0.0.0:8080\n"
    "data_dir: data\n"
    "insecure: true\n";

// With `from` replaced by `to`.
std::string Problems(const std::string& from = "", const std::string& to = "") {
  std::string yaml = kGood;
  if (!from.empty()) yaml.replace(yaml.find(from), from.size(), to);
  ConfigSource source;
  fermoposta::v1::CoordinatorConfig config;
  absl::Status status = ParseYaml(yaml, "c.yaml", &config, &source);
  if (status.ok()) status = CheckConfig(source, &config);
  return std::string(status.message());
}

TEST(CoordinatorConfig, WrongNamesAndPlacesAreRefused) {
  EXPECT_EQ(Problems(), "");
  EXPECT_EQ(Problems("c1", "c/1"),
            "c.yaml:1: name: must be 1 to 63 letters, digits, '-', '_' or '.'");
  EXPECT_EQ(Problems("0.0.0.0:8080", "localhost:8080"), "");
  EXPECT_EQ(
      Problems("0.0.0.0:8080", "myhost:8080"),
      "c.yaml:3: http_listen: must be an IP address or localhost; names are not looked up here");
  EXPECT_EQ(Problems("127.0.0.1:7410", "192.0.2.1:7410"),
            "c.yaml:2: listen: must be a loopback address, because insecure is true");
  EXPECT_EQ(Problems("127.0.0.1:7410", "myhost:7410"),
            "c.yaml:2: listen: must be a loopback address, because insecure is true");
}

}  // namespace
}  // namespace fermo::coordinator
