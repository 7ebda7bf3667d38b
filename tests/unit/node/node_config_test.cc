#include "node/node_config.h"

#include <gtest/gtest.h>

#include <string>

#include "fermoposta/v1/config.pb.h"

namespace fermo::node {
namespace {

constexpr char kGood[] =
    "name: roma-1\n"
    "region: roma\n"
    "data_dir: data\n"
    "listen: 127.0.0.1:7400\n"
    "http_listen: 0.0.0.0:8080\n"
    "coordinators: ['127.0.0.1:7410']\n"
    "insecure: true\n";

std::string Problems(const std::string& yaml) {
  ConfigSource source;
  fermoposta::v1::NodeConfig config;
  absl::Status status = ParseYaml(yaml, "n.yaml", &config, &source);
  if (status.ok()) status = CheckConfig(source, &config);
  return std::string(status.message());
}

// With `from` replaced by `to`.
std::string Problems(const std::string& from, const std::string& to) {
  std::string yaml = kGood;
  yaml.replace(yaml.find(from), from.size(), to);
  return Problems(yaml);
}

TEST(NodeConfig, PlacesThatCannotBeListenedOnAreRefused) {
  EXPECT_EQ(Problems(kGood), "");
  EXPECT_EQ(Problems("0.0.0.0:8080", "localhost:0"), "");
  EXPECT_EQ(
      Problems("0.0.0.0:8080", "myhost:8080"),
      "n.yaml:5: http_listen: must be an IP address or localhost; names are not looked up here");
  EXPECT_EQ(Problems("127.0.0.1:7400", "192.0.2.1:7400"),
            "n.yaml:4: listen: must be a loopback address, because insecure is true");
}

TEST(NodeConfig, OthersMustBeAbleToConnectToWhatIsAdvertised) {
  const std::string good = kGood;
  EXPECT_EQ(Problems(good + "advertise_address: localhost:7400\n"), "");
  for (const char* outside : {"192.0.2.1:7400", "roma-1.example:7400"}) {
    EXPECT_EQ(Problems(good + "advertise_address: " + outside + "\n"),
              "n.yaml:8: advertise_address: must be a loopback address, because insecure is true");
  }
  const std::string no_port = "port 0 is no port that others can connect to";
  EXPECT_EQ(Problems(good + "advertise_address: 127.0.0.1:0\n"),
            "n.yaml:8: advertise_address: " + no_port);
  EXPECT_EQ(Problems("127.0.0.1:7400", "127.0.0.1:0"), "n.yaml:4: listen: " + no_port);
  EXPECT_EQ(Problems("127.0.0.1:7410", "127.0.0.1:0"), "n.yaml:6: coordinators[0]: " + no_port);
}

TEST(NodeConfig, DnsServersAreGivenByTheirAddresses) {
  const std::string good = kGood;
  EXPECT_EQ(Problems(good + "delivery:\n  dns_servers: ['192.0.2.53', '[2001:db8::53]:5353']\n"),
            "");
  for (const char* name : {"ns.example:53", "localhost:53"}) {
    EXPECT_EQ(Problems(good + "delivery:\n  dns_servers: ['" + name + "']\n"),
              "n.yaml:9: delivery.dns_servers[0]: must be an IP address; names are not looked up "
              "here");
  }
}

TEST(NodeConfig, NamesAreThoseThatTheCoordinatorTakes) {
  const std::string wrong = "must be 1 to 63 letters, digits, '-', '_' or '.'";
  EXPECT_EQ(Problems("roma-1", "roma 1"), "n.yaml:1: name: " + wrong);
  EXPECT_EQ(Problems("roma-1", std::string(64, 'x')), "n.yaml:1: name: " + wrong);
  EXPECT_EQ(Problems("region: roma", "region: r/oma"), "n.yaml:2: region: " + wrong);
  EXPECT_EQ(Problems("name: roma-1\n", ""), "n.yaml:1: name: is required");
}

TEST(NodeConfig, PrimariesAreToldADomainOrAnAddress) {
  const auto name_for = [](const std::string& name, const std::string& helo) {
    std::string yaml = kGood;
    yaml.replace(yaml.find("roma-1"), 6, name);
    if (!helo.empty()) yaml += "delivery:\n  helo_name: '" + helo + "'\n";
    ConfigSource source;
    fermoposta::v1::NodeConfig config;
    absl::Status status = ParseYaml(yaml, "n.yaml", &config, &source);
    if (status.ok()) status = CheckConfig(source, &config);
    if (!status.ok()) return std::string(status.message());
    return ToOptions(config).delivery.connection.helo_name;
  };
  EXPECT_EQ(name_for("roma-1.example", ""), "roma-1.example");
  EXPECT_EQ(name_for("roma-1", ""), "") << "the address of the connection";
  EXPECT_EQ(name_for("-roma.", ""), "");
  EXPECT_EQ(name_for("roma-1", "mx.example"), "mx.example");
  EXPECT_EQ(name_for("roma-1", "[192.0.2.1]"), "[192.0.2.1]");
  for (const char* helo : {"mx example", "-mx.example", "192.0.2.1:25", "[192.0.2]"}) {
    EXPECT_EQ(name_for("roma-1", helo),
              "n.yaml:9: delivery.helo_name: must be a domain name or an address literal");
  }
}

}  // namespace
}  // namespace fermo::node
