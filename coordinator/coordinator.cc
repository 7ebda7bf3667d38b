#include "coordinator/coordinator.h"

#include <boost/asio/post.hpp>
#include <filesystem>
#include <system_error>
#include <utility>

#include "coordinator/membership/config_store.h"
#include "coordinator/membership/connected.h"
#include "coordinator/membership/control_service.h"
#include "coordinator/operations/node_client.h"
#include "coordinator/operations/operations_service.h"
#include "coordinator/store/rocksdb_control_store.h"
#include "fmt/format.h"
#include "lib/base/random.h"
#include "lib/net/http_server.h"
#include "lib/net/metrics.h"
#include "lib/rpc/server.h"

namespace fermo::coordinator {
namespace {

constexpr size_t kBlockingThreads = 2;
constexpr Duration kDrainGrace = std::chrono::seconds(5);

// RFC 4122 4.4: 122 random bits.
std::string NewUuid() {
  const uint64_t high = (RandomSeed() & ~0xf000ull) | 0x4000ull;
  const uint64_t low = (RandomSeed() & ~(0x3ull << 62)) | (0x2ull << 62);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffffull);
}

}  // namespace

// In the order in which they are built; destroyed in the reverse order.
struct Coordinator::Parts {
  Parts(net::Executor e, CoordinatorOptions o)
      : executor(std::move(e)),
        options(std::move(o)),
        metrics(options.version),
        blocking(kBlockingThreads),
        connected(executor),
        nodes(executor, options.insecure, options.node_deadline) {}

  absl::Status OpenStore();
  absl::Status Serve();
  void RegisterMetrics();
  void OnViewChanged();
  void OnFatal(const absl::Status& status);
  net::HttpReply Ready() const;

  const net::Executor executor;
  const CoordinatorOptions options;
  net::Metrics metrics;
  Blocking blocking;
  Connected connected;
  NodeClient nodes;
  std::unique_ptr<RocksDbControlStore> store;
  std::unique_ptr<ConfigStore> config;
  OperationsContext context;
  std::unique_ptr<ControlService> control;
  std::unique_ptr<OperationsService> operations;
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<net::HttpServer> http;
  bool draining = false;
  bool failed = false;
};

absl::Status Coordinator::Parts::OpenStore() {
  const std::string directory = options.data_dir + "/store";
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(fmt::format("make {}: {}", directory, error.message()));
  }
  // The store's threads only hand over to the executor, which outlives them.
  auto on_fatal = [this](const absl::Status& status) {
    net::asio::post(executor, [this, status] { OnFatal(status); });
  };
  RocksDbControlStoreOptions store_options;
  store_options.directory = directory;
  store_options.on_broken = on_fatal;
  auto opened = RocksDbControlStore::Open(std::move(store_options));
  if (!opened.ok()) return opened.status();
  store = *std::move(opened);
  ConfigStoreOptions config_options;
  config_options.new_cluster_uuid = NewUuid();
  config_options.now = WallNow();
  config_options.on_broken = on_fatal;
  config_options.on_change = [this](ClusterViewPtr) {
    net::asio::post(executor, [this] { OnViewChanged(); });
  };
  auto loaded = ConfigStore::Open(*store, std::move(config_options));
  if (!loaded.ok()) return loaded.status();
  config = *std::move(loaded);
  return absl::OkStatus();
}

absl::Status Coordinator::Parts::Serve() {
  ControlServiceOptions control_options;
  control_options.executor = executor;
  control_options.config = config.get();
  control_options.connected = &connected;
  control_options.blocking = &blocking;
  control_options.survivor_lease = options.survivor_lease;
  control_options.log = options.log.ForComponent("membership");
  control = std::make_unique<ControlService>(std::move(control_options));
  context.executor = executor;
  context.config = config.get();
  context.connected = &connected;
  context.blocking = &blocking;
  context.nodes = &nodes;
  context.log = options.log.ForComponent("operations");
  context.started = WallNow();
  context.apply_limit = options.apply_limit;
  operations = std::make_unique<OperationsService>(&context, &metrics);
  RegisterMetrics();

  net::HttpServer::Routes routes;
  routes["/metrics"] = [this] {
    return net::HttpReply{200, metrics.Serialize(), net::Metrics::kContentType};
  };
  routes["/livez"] = [] { return net::HttpReply{200, "ok\n"}; };
  routes["/readyz"] = [this] { return Ready(); };
  auto http_opened = net::HttpServer::Open(executor, options.http_listen, std::move(routes));
  if (!http_opened.ok()) return http_opened.status();
  http = *std::move(http_opened);

  rpc::ServerOptions server_options;
  server_options.listen = ToString(options.listen);
  server_options.insecure = options.insecure;
  server_options.services = {{ControlService::Name(), control->service()},
                             {OperationsService::Name(), operations->service()}};
  auto started = rpc::Server::Start(std::move(server_options));
  if (!started.ok()) return started.status();
  server = *std::move(started);
  server->SetServing(true);
  return absl::OkStatus();
}

// The gauges are refreshed on the scraper's thread, which is the executor's.
void Coordinator::Parts::RegisterMetrics() {
  net::Gauge& domains = metrics.MakeGauge("domains", "Domains that are configured.");
  net::Gauge& members =
      metrics.MakeGauge("members", "Nodes that have joined and not been evicted.");
  net::Gauge& generation = metrics.MakeGauge("generation", "Number of the newest configuration.");
  const std::string help = "Processes that are connected and receive the configuration.";
  net::Gauge& node_watchers = metrics.MakeGauge("watchers", help, {{"role", "node"}});
  net::Gauge& other_watchers = metrics.MakeGauge("watchers", help, {{"role", "smtp-frontend"}});
  metrics.BeforeScrape([this, &domains, &members, &generation, &node_watchers, &other_watchers] {
    const ClusterViewPtr view = config->view();
    domains.Set(static_cast<double>(view->domains.size()));
    members.Set(static_cast<double>(view->LiveMembers().size()));
    generation.Set(static_cast<double>(view->generation));
    int node_count = 0, frontend_count = 0;
    for (const Process& process : connected.table().List()) {
      node_count += process.join.role == rpc::Role::kNode;
      frontend_count += process.join.role == rpc::Role::kSmtpFrontend;
    }
    node_watchers.Set(node_count);
    other_watchers.Set(frontend_count);
  });
}

net::HttpReply Coordinator::Parts::Ready() const {
  if (draining) return {503, "shutting down\n"};
  if (absl::Status health = store->Health(); !health.ok()) {
    return {503, fmt::format("the store is given up: {}\n", std::string(health.message()))};
  }
  return {200, "ok\n"};
}

void Coordinator::Parts::OnViewChanged() {
  nodes.KeepOnly(config->view()->LiveMembers());
  if (control) control->OnViewChanged();
}

void Coordinator::Parts::OnFatal(const absl::Status& status) {
  if (std::exchange(failed, true)) return;
  options.log.Error("store_broken", {{log::kError, status}});
  if (options.on_fatal) options.on_fatal(status);
}

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Start(net::Executor executor,
                                                                CoordinatorOptions options) {
  auto parts = std::make_unique<Parts>(std::move(executor), std::move(options));
  if (absl::Status opened = parts->OpenStore(); !opened.ok()) return opened;
  if (absl::Status serving = parts->Serve(); !serving.ok()) return serving;
  const CoordinatorOptions& in_use = parts->options;
  in_use.log.Info("started", {{log::kAddress, parts->server->address()},
                              {log::kVersion, in_use.version},
                              {log::kGeneration, parts->config->view()->generation},
                              {log::kMsg, "cluster " + parts->config->view()->cluster_uuid}});
  return std::unique_ptr<Coordinator>(new Coordinator(std::move(parts)));
}

Coordinator::Coordinator(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Coordinator::~Coordinator() = default;

const std::string& Coordinator::grpc_address() const { return parts_->server->address(); }
std::string Coordinator::http_address() const { return ToString(parts_->http->local()); }
std::string Coordinator::cluster_uuid() const { return parts_->config->view()->cluster_uuid; }

net::Awaitable<void> Coordinator::Drain() {
  parts_->draining = true;
  parts_->server->SetServing(false);
  parts_->control->Close();
  co_await parts_->server->AsyncShutdown(kDrainGrace);
  parts_->http->Close();
  parts_->options.log.Info("drained");
}

}  // namespace fermo::coordinator
