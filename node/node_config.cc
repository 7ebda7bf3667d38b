#include "node/node_config.h"

#include <string>

#include "fermoposta/v1/config.pb.h"
#include "lib/smtp/address.h"

namespace fermo::node {
namespace {

using fermoposta::v1::NodeConfig;

void CheckPlaces(NodeConfig* config, FieldErrors& errors) {
  const HostPort listen = errors.RequiredHostPort("listen", config->listen());
  const HostPort http_listen = errors.RequiredHostPort("http_listen", config->http_listen());
  errors.RequireListenable("http_listen", http_listen);
  if (config->advertise_address().empty()) {
    config->set_advertise_address(config->listen());
    errors.RequirePort("listen", listen);
  } else {
    const HostPort advertised =
        errors.RequiredHostPort("advertise_address", config->advertise_address());
    if (config->insecure()) errors.RequireLoopback("advertise_address", advertised);
    errors.RequirePort("advertise_address", advertised);
  }
  if (config->coordinators().empty()) errors.Add("coordinators", "is required");
  for (int i = 0; i < config->coordinators_size(); ++i) {
    const std::string path = "coordinators[" + std::to_string(i) + "]";
    const HostPort place = errors.RequiredHostPort(path, config->coordinators(i));
    if (config->insecure()) errors.RequireLoopback(path, place);
    errors.RequirePort(path, place);
  }
  if (config->insecure()) {
    errors.RequireLoopback("listen", listen);
  } else {
    errors.Add("insecure",
               "must be true: this version speaks plaintext gRPC only, on loopback addresses");
  }
}

std::string DurationField(FieldErrors& errors, std::string_view path, const std::string& text,
                          Duration fallback) {
  const Duration value = errors.DurationOr(path, text, fallback);
  if (value <= Duration::zero()) errors.Add(path, "must be more than 0");
  return FormatDuration(value);
}

void CheckCopies(NodeConfig* config, FieldErrors& errors) {
  if (config->copies() == 0) config->set_copies(3);
  if (config->write_copies() == 0) config->set_write_copies(config->copies() == 1 ? 1 : 2);
  if (config->min_regions() == 0) config->set_min_regions(config->copies() == 1 ? 1 : 2);
  errors.InRange("copies", config->copies(), 1, 7);
  errors.InRange("write_copies", config->write_copies(), 1, config->copies());
  errors.InRange("min_regions", config->min_regions(), 1, config->write_copies());
  config->set_append_budget(
      DurationField(errors, "append_budget", config->append_budget(), std::chrono::seconds(20)));
}

void CheckDelivery(NodeConfig* config, FieldErrors& errors) {
  auto* d = config->mutable_delivery();
  // A word without a dot is refused by many primaries: each connection's own
  // address, which an empty name stands for, is taken by more.
  if (d->helo_name().empty()) {
    const bool full = config->name().find('.') != std::string::npos;
    if (full && smtp::IsDomain(config->name())) d->set_helo_name(config->name());
  } else if (!smtp::IsDomain(d->helo_name()) && !smtp::IsAddressLiteral(d->helo_name())) {
    errors.Add("delivery.helo_name", "must be a domain name or an address literal");
  }
  for (int i = 0; i < d->dns_servers_size(); ++i) {
    const std::string path = "delivery.dns_servers[" + std::to_string(i) + "]";
    const HostPort server = errors.RequiredHostPort(path, d->dns_servers(i), 53);
    errors.RequireAddress(path, server);
    errors.RequirePort(path, server);
  }
  if (d->connections_per_route() == 0) d->set_connections_per_route(8);
  if (d->messages_per_connection() == 0) d->set_messages_per_connection(100);
  errors.InRange("delivery.connections_per_route", d->connections_per_route(), 1, 1000);
  errors.InRange("delivery.messages_per_connection", d->messages_per_connection(), 1, 1000000);
  using namespace std::chrono_literals;
  d->set_probe_interval(DurationField(errors, "delivery.probe_interval", d->probe_interval(), 1s));
  d->set_idle_probe_interval(
      DurationField(errors, "delivery.idle_probe_interval", d->idle_probe_interval(), 30s));
  d->set_connect_timeout(
      DurationField(errors, "delivery.connect_timeout", d->connect_timeout(), 10s));
  d->set_retry_first(DurationField(errors, "delivery.retry_first", d->retry_first(), 1min));
  d->set_retry_max(DurationField(errors, "delivery.retry_max", d->retry_max(), 30min));
}

void CheckSpool(NodeConfig* config, FieldErrors& errors) {
  auto* s = config->mutable_spool();
  const uint64_t soft = errors.SizeOr("spool.soft_free", s->soft_free(), uint64_t{1} << 30);
  const uint64_t hard = errors.SizeOr("spool.hard_free", s->hard_free(), uint64_t{256} << 20);
  if (hard > soft) errors.Add("spool.hard_free", "must not be more than spool.soft_free");
  s->set_soft_free(FormatSize(soft));
  s->set_hard_free(FormatSize(hard));
  if (s->segment_messages() == 0) s->set_segment_messages(65536);
  errors.InRange("spool.segment_messages", s->segment_messages(), 1, 65536);
  s->set_segment_age(
      DurationField(errors, "spool.segment_age", s->segment_age(), std::chrono::hours(1)));
  using namespace std::chrono_literals;
  s->set_repair_after(DurationField(errors, "spool.repair_after", s->repair_after(), 10min));
  s->set_orphan_after(DurationField(errors, "spool.orphan_after", s->orphan_after(), 15min));
  const uint64_t rate = errors.SizeOr("spool.repair_rate", s->repair_rate(), uint64_t{32} << 20);
  if (rate == 0) errors.Add("spool.repair_rate", "must be more than 0");
  s->set_repair_rate(FormatSize(rate));
}

Duration ToDuration(const std::string& text) { return ParseDuration(text).value(); }

}  // namespace

absl::Status CheckConfig(const ConfigSource& source, NodeConfig* config) {
  FieldErrors errors(source);
  errors.RequireName("name", config->name());
  errors.RequireName("region", config->region());
  errors.Require("data_dir", config->data_dir());
  CheckPlaces(config, errors);
  CheckCopies(config, errors);
  CheckDelivery(config, errors);
  CheckSpool(config, errors);
  const LogLevel level = errors.LogLevelOr("log.level", config->log().level(), LogLevel::kInfo);
  config->mutable_log()->set_level(std::string(ToString(level)));
  return errors.ToStatus();
}

NodeOptions ToOptions(const NodeConfig& config) {
  NodeOptions o;
  o.name = config.name();
  o.region = config.region();
  o.data_dir = config.data_dir();
  o.listen = config.listen();
  o.advertise_address = config.advertise_address();
  o.http_listen = ParseHostPort(config.http_listen()).value();
  o.coordinators.assign(config.coordinators().begin(), config.coordinators().end());
  o.insecure = config.insecure();
  o.soft_free = ParseSize(config.spool().soft_free()).value();
  o.hard_free = ParseSize(config.spool().hard_free()).value();
  cluster::ReplicaOptions& r = o.core.replica;
  r.copies = config.copies();
  r.write_copies = config.write_copies();
  r.min_regions = config.min_regions();
  r.append_budget = ToDuration(config.append_budget());
  r.segment_messages = config.spool().segment_messages();
  r.segment_age = ToDuration(config.spool().segment_age());
  r.repair_after = ToDuration(config.spool().repair_after());
  r.orphan_after = ToDuration(config.spool().orphan_after());
  o.core.copy_rate = ParseSize(config.spool().repair_rate()).value();
  const auto& d = config.delivery();
  for (const std::string& server : d.dns_servers()) {
    o.dns_servers.push_back(ParseHostPort(server, 53).value());
  }
  o.delivery.connection.helo_name = d.helo_name();
  o.delivery.connection.timeouts.connect = ToDuration(d.connect_timeout());
  o.delivery.route.max_connections = d.connections_per_route();
  o.delivery.route.probe_interval = ToDuration(d.probe_interval());
  o.delivery.route.idle_probe_interval = ToDuration(d.idle_probe_interval());
  o.delivery.queue.retry_first = ToDuration(d.retry_first());
  o.delivery.queue.retry_max = ToDuration(d.retry_max());
  o.delivery.messages_per_connection = d.messages_per_connection();
  return o;
}

}  // namespace fermo::node
