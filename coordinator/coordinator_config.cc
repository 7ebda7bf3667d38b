#include "coordinator/coordinator_config.h"

#include <string>

#include "fermoposta/v1/config.pb.h"

namespace fermo::coordinator {

absl::Status CheckConfig(const ConfigSource& source, fermoposta::v1::CoordinatorConfig* config) {
  FieldErrors errors(source);
  errors.RequireName("name", config->name());
  errors.Require("data_dir", config->data_dir());
  const HostPort listen = errors.RequiredHostPort("listen", config->listen());
  const HostPort http_listen = errors.RequiredHostPort("http_listen", config->http_listen());
  errors.RequireListenable("http_listen", http_listen);
  if (config->insecure()) {
    errors.RequireLoopback("listen", listen);
  } else {
    errors.Add("insecure",
               "must be true: this version speaks plaintext only, on loopback addresses");
  }
  const LogLevel level = errors.LogLevelOr("log.level", config->log().level(), LogLevel::kInfo);
  config->mutable_log()->set_level(std::string(ToString(level)));
  return errors.ToStatus();
}

CoordinatorOptions ToOptions(const fermoposta::v1::CoordinatorConfig& config) {
  CoordinatorOptions options;
  options.name = config.name();
  options.listen = ParseHostPort(config.listen()).value();
  options.http_listen = ParseHostPort(config.http_listen()).value();
  options.data_dir = config.data_dir();
  options.insecure = config.insecure();
  return options;
}

}  // namespace fermo::coordinator
