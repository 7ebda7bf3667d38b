#include "smtp-frontend/frontend_config.h"

#include <string>

#include "absl/strings/ascii.h"
#include "fermoposta/v1/config.pb.h"
#include "lib/smtp/address.h"
#include "lib/spool/limits.h"

namespace fermo::frontend {
namespace {

using fermoposta::v1::FrontendConfig;

constexpr uint64_t kMinMessageSize = 64 * 1024;  // RFC 5321 4.5.3.1.7
constexpr uint64_t kMaxMessageSize = uint64_t{1} << 30;
constexpr uint32_t kMinRecipients = 100;  // RFC 5321 4.5.3.1.8
constexpr uint32_t kMaxRecipients = spool::kMaxForwardPaths;
constexpr uint32_t kMaxConnections = 100000;
constexpr Duration kMinTimeout = std::chrono::seconds(1);
constexpr Duration kMaxTimeout = std::chrono::hours(1);

void CheckPlaces(FrontendConfig* config, FieldErrors& errors) {
  const HostPort listen = errors.RequiredHostPort("listen", config->listen());
  const HostPort http_listen = errors.RequiredHostPort("http_listen", config->http_listen());
  errors.RequireListenable("listen", listen);
  errors.RequireListenable("http_listen", http_listen);
  if (!config->advertise_address().empty()) {
    const HostPort advertised =
        errors.RequiredHostPort("advertise_address", config->advertise_address(), 25);
    errors.RequirePort("advertise_address", advertised);
    // The coordinator wants the port, too.
    if (!advertised.host.empty()) config->set_advertise_address(ToString(advertised));
  }
  if (config->coordinators().empty()) errors.Add("coordinators", "is required");
  for (int i = 0; i < config->coordinators_size(); ++i) {
    const std::string path = "coordinators[" + std::to_string(i) + "]";
    const HostPort place = errors.RequiredHostPort(path, config->coordinators(i));
    if (config->insecure()) errors.RequireLoopback(path, place);
    errors.RequirePort(path, place);
  }
  if (!config->insecure()) {
    errors.Add("insecure",
               "must be true: this version speaks plaintext gRPC only, on loopback addresses");
  }
}

void CheckLimits(FrontendConfig* config, FieldErrors& errors) {
  if (config->max_connections() == 0) config->set_max_connections(1000);
  if (config->max_recipients() == 0) config->set_max_recipients(1000);
  errors.InRange("max_connections", config->max_connections(), 1, kMaxConnections);
  errors.InRange("max_recipients", config->max_recipients(), kMinRecipients, kMaxRecipients);
  const uint64_t size =
      errors.SizeOr("max_message_size", config->max_message_size(), uint64_t{50} << 20);
  errors.InRange("max_message_size", size, kMinMessageSize, kMaxMessageSize);
  config->set_max_message_size(FormatSize(size));
}

// Checks a duration and gives it back as the file would say it.
std::string CheckTimeout(FieldErrors& errors, std::string_view path, const std::string& text,
                         Duration fallback) {
  const Duration value = errors.DurationOr(path, text, fallback);
  if (value < kMinTimeout || value > kMaxTimeout) errors.Add(path, "must be from 1s to 1h");
  return FormatDuration(value);
}

}  // namespace

absl::Status CheckConfig(const ConfigSource& source, FrontendConfig* config) {
  FieldErrors errors(source);
  errors.RequireName("name", config->name());
  errors.RequireName("region", config->region());
  errors.Require("state_dir", config->state_dir());
  if (errors.Require("hostname", config->hostname()) && !smtp::IsDomain(config->hostname())) {
    errors.Add("hostname", "must be a domain name, such as mx.example.org");
  }
  if (!config->postmaster_domain().empty() && !smtp::IsDomain(config->postmaster_domain())) {
    errors.Add("postmaster_domain", "must be a domain name");
  }
  // Domains are compared in lower case.
  config->set_postmaster_domain(absl::AsciiStrToLower(config->postmaster_domain()));
  CheckPlaces(config, errors);
  CheckLimits(config, errors);
  using std::chrono::minutes;
  using std::chrono::seconds;
  config->set_command_timeout(
      CheckTimeout(errors, "command_timeout", config->command_timeout(), minutes(5)));
  config->set_data_timeout(
      CheckTimeout(errors, "data_timeout", config->data_timeout(), minutes(3)));
  config->set_drain_timeout(
      CheckTimeout(errors, "drain_timeout", config->drain_timeout(), seconds(30)));
  const LogLevel level = errors.LogLevelOr("log.level", config->log().level(), LogLevel::kInfo);
  config->mutable_log()->set_level(std::string(ToString(level)));
  return errors.ToStatus();
}

FrontendOptions ToOptions(const FrontendConfig& config) {
  FrontendOptions options;
  options.name = config.name();
  options.region = config.region();
  options.hostname = config.hostname();
  options.listen = ParseHostPort(config.listen()).value();
  options.http_listen = ParseHostPort(config.http_listen()).value();
  options.coordinators.assign(config.coordinators().begin(), config.coordinators().end());
  options.state_dir = config.state_dir();
  options.insecure = config.insecure();
  options.max_message_size = ParseSize(config.max_message_size()).value();
  options.max_connections = config.max_connections();
  options.max_recipients = config.max_recipients();
  options.command_timeout = ParseDuration(config.command_timeout()).value();
  options.data_timeout = ParseDuration(config.data_timeout()).value();
  options.drain_timeout = ParseDuration(config.drain_timeout()).value();
  options.postmaster_domain = config.postmaster_domain();
  options.advertise_address = config.advertise_address();
  return options;
}

}  // namespace fermo::frontend
