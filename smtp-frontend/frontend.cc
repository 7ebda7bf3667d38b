#include "smtp-frontend/frontend.h"

#include <boost/asio/post.hpp>
#include <filesystem>
#include <system_error>
#include <utility>

#include "lib/net/event.h"
#include "lib/net/http_server.h"
#include "lib/net/metrics.h"
#include "lib/rpc/control_client.h"
#include "smtp-frontend/door.h"
#include "smtp-frontend/frontend_metrics.h"
#include "smtp-frontend/grpc_spool_client.h"
#include "smtp-frontend/recipient_policy.h"

namespace fermo::frontend {
namespace {

constexpr Duration kStopTimeout = std::chrono::seconds(5);

}  // namespace

// In the order in which they are built; destroyed in the reverse order.
struct Frontend::Parts {
  Parts(net::Executor e, FrontendOptions o)
      : executor(std::move(e)),
        options(std::move(o)),
        metrics(options.version),
        counts(&metrics),
        control_stopped(executor) {}

  absl::Status MakeStateDir();
  void MakeSpool();
  absl::Status OpenPorts();
  absl::Status Connect();
  void OnSnapshot(const cluster::Snapshot& snapshot);
  void RegisterGauges();
  net::HttpReply Ready() const;

  const net::Executor executor;
  const FrontendOptions options;
  net::Metrics metrics;
  FrontendMetrics counts;
  RecipientPolicy policy;
  std::unique_ptr<GrpcSpoolClient> spool;
  SessionContext context;
  std::unique_ptr<Door> door;
  std::unique_ptr<net::HttpServer> http;
  std::unique_ptr<rpc::ControlClient> control;
  net::Event control_stopped;
  bool draining = false;
};

absl::Status Frontend::Parts::MakeStateDir() {
  std::error_code error;
  std::filesystem::create_directories(options.state_dir, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError("make " + options.state_dir + ": " + error.message());
}

void Frontend::Parts::MakeSpool() {
  GrpcSpoolClientOptions spool_options;
  spool_options.region = options.region;
  spool_options.insecure = options.insecure;
  const Logger spool_log = options.log.ForComponent("spool");
  spool = std::make_unique<GrpcSpoolClient>(executor, spool_options,
                                            [spool_log](const std::string& text) {
                                              spool_log.Info("node_changed", {{log::kMsg, text}});
                                            });
  context.settings.hostname = options.hostname;
  context.settings.max_message_size = options.max_message_size;
  context.settings.max_recipients = options.max_recipients;
  context.settings.postmaster_domain = options.postmaster_domain;
  context.settings.command_timeout = options.command_timeout;
  context.settings.data_timeout = options.data_timeout;
  context.spool = spool.get();
  context.policy = &policy;
  context.metrics = &counts;
  context.log = options.log.ForComponent("smtp");
}

absl::Status Frontend::Parts::OpenPorts() {
  auto opened = Door::Open(executor, options.listen, &context, options.max_connections);
  if (!opened.ok()) return opened.status();
  door = *std::move(opened);
  RegisterGauges();
  net::HttpServer::Routes routes;
  routes["/metrics"] = [this] {
    return net::HttpReply{200, metrics.Serialize(), net::Metrics::kContentType};
  };
  routes["/livez"] = [] { return net::HttpReply{200, "ok\n"}; };
  routes["/readyz"] = [this] { return Ready(); };
  auto http_opened = net::HttpServer::Open(executor, options.http_listen, std::move(routes));
  if (!http_opened.ok()) return http_opened.status();
  http = *std::move(http_opened);
  return absl::OkStatus();
}

// The gauges are refreshed on the scraper's thread, which is the executor's.
void Frontend::Parts::RegisterGauges() {
  net::Gauge& members = metrics.MakeGauge("frontend_nodes", "Nodes of the present snapshot.");
  net::Gauge& ready =
      metrics.MakeGauge("frontend_nodes_ready", "Nodes that can make a message durable now.");
  metrics.BeforeScrape([this, &members, &ready] {
    const GrpcSpoolClient::NodeCounts nodes = spool->CountNodes();
    members.Set(static_cast<double>(nodes.members));
    ready.Set(static_cast<double>(nodes.ready));
  });
}

absl::Status Frontend::Parts::Connect() {
  rpc::ControlClientOptions control_options;
  control_options.coordinators = options.coordinators;
  control_options.insecure = options.insecure;
  control_options.cache_file = options.state_dir + "/snapshot";
  control_options.join.role = rpc::Role::kSmtpFrontend;
  control_options.join.name = options.name;
  control_options.join.region = options.region;
  control_options.join.http_address = ToString(http->local());
  control_options.join.smtp_address =
      options.advertise_address.empty() ? ToString(door->local()) : options.advertise_address;
  control_options.join.version = options.version;
  const Logger control_log = options.log.ForComponent("control");
  rpc::ControlClientCallbacks callbacks;
  callbacks.on_snapshot = [this](const cluster::Snapshot& snapshot) { OnSnapshot(snapshot); };
  callbacks.on_refused = [control_log](const absl::Status& status) {
    control_log.Error("join_refused", {{log::kError, status}});
  };
  callbacks.on_problem = [control_log](const absl::Status& status) {
    control_log.Warning("control_problem", {{log::kError, status}});
  };
  auto created =
      rpc::ControlClient::Create(executor, std::move(control_options), std::move(callbacks));
  if (!created.ok()) return created.status();
  control = *std::move(created);
  control->Start();
  return absl::OkStatus();
}

void Frontend::Parts::OnSnapshot(const cluster::Snapshot& snapshot) {
  policy.SetSnapshot(snapshot);
  spool->Update(snapshot);
  options.log.Info("snapshot_applied", {{log::kGeneration, snapshot.generation},
                                        {log::kCount, snapshot.domains.size()}});
}

net::HttpReply Frontend::Parts::Ready() const {
  if (draining) return {503, "going down\n"};
  if (!policy.configured()) return {503, "no configuration from a coordinator yet\n"};
  if (!spool->Ready()) return {503, "no node can make a message durable\n"};
  return {200, "ok\n"};
}

Frontend::Frontend(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Frontend::~Frontend() = default;

absl::StatusOr<std::unique_ptr<Frontend>> Frontend::Start(net::Executor executor,
                                                          FrontendOptions options) {
  auto parts = std::make_unique<Parts>(std::move(executor), std::move(options));
  if (absl::Status made = parts->MakeStateDir(); !made.ok()) return made;
  parts->MakeSpool();
  if (absl::Status opened = parts->OpenPorts(); !opened.ok()) return opened;
  if (absl::Status connected = parts->Connect(); !connected.ok()) return connected;
  parts->door->Start();
  parts->options.log.Info("started", {{log::kAddress, ToString(parts->door->local())},
                                      {log::kRegion, parts->options.region},
                                      {log::kVersion, parts->options.version}});
  return std::unique_ptr<Frontend>(new Frontend(std::move(parts)));
}

const HostPort& Frontend::smtp_address() const { return parts_->door->local(); }
const HostPort& Frontend::http_address() const { return parts_->http->local(); }

net::Awaitable<void> Frontend::Drain() {
  Parts* const parts = parts_.get();
  parts->draining = true;
  co_await parts->door->Drain(parts->options.drain_timeout);
  parts->spool->Stop();
  parts->control->Stop([parts] { parts->control_stopped.Set(); });
  (void)co_await parts->control_stopped.WaitFor(kStopTimeout);
  parts->http->Close();
  parts->options.log.Info("drained");
}

}  // namespace fermo::frontend
