#include "node/node.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "lib/base/random.h"
#include "lib/base/units.h"
#include "lib/net/event.h"
#include "lib/net/http_server.h"
#include "lib/net/metrics.h"
#include "lib/net/resolver.h"
#include "lib/rpc/control_client.h"
#include "lib/rpc/server.h"
#include "node/accept/enqueue_service.h"
#include "node/delivery/deliverer.h"
#include "node/machine.h"
#include "node/operations/node_operations_service.h"
#include "node/replication/mesh_service.h"
#include "node/replication/recovery.h"
#include "node/store/disk_space.h"
#include "node/store/identity.h"

namespace fermo::node {
namespace {

// Frontends ask every second whether we are ready: they are given time to
// notice that we are not, while what they send is still taken.
constexpr Duration kNoticeTime = std::chrono::milliseconds(1500);
constexpr Duration kSettleLimit = std::chrono::seconds(30);
constexpr Duration kSettlePoll = std::chrono::milliseconds(20);
constexpr Duration kServerGrace = std::chrono::seconds(2);
constexpr Duration kDiskInterval = std::chrono::seconds(1);

// No answer may follow a failed write. A message to stderr, and the end.
// Left behind by a node whose disk failed: it is suspect at its next start.
std::string FailureMark(const NodeOptions& options) { return options.data_dir + "/disk-failed"; }

[[noreturn]] void Die(const std::string& directory, const std::string& mark,
                      const absl::Status& status) {
  std::ofstream(mark) << status.ToString() << "\n";  // as far as the disk takes it
  std::fprintf(stderr, "fermo-node: the spool in %s is given up: %s\n", directory.c_str(),
               status.ToString().c_str());
  _exit(1);
}

}  // namespace

// In the order in which they are built; destroyed in the reverse order.
struct Node::Parts {
  Parts(net::Executor e, NodeOptions o)
      : executor(std::move(e)),
        options(std::move(o)),
        log(options.log),
        metrics(options.version),
        disk_timer(executor, [this] { CheckDisk(); }) {}

  absl::Status OpenSpool();
  absl::Status Build();
  absl::Status Serve();
  absl::Status Join();
  void OnSnapshot(const cluster::Snapshot& next);
  void CheckDisk();
  absl::Status CanAccept() const;
  absl::Status IsReady() const {
    return leaving ? absl::UnavailableError("this node is about to drain") : CanAccept();
  }
  bool CoreReady() const { return core != nullptr; }

  const net::Executor executor;
  NodeOptions options;
  Logger log;
  net::Metrics metrics;
  std::unique_ptr<SpoolStore> store;
  Identity identity;
  cluster::Snapshot snapshot;
  std::unique_ptr<net::Resolver> resolver;
  std::unique_ptr<MeshService> mesh;
  std::unique_ptr<SpoolCore> core;
  std::unique_ptr<Deliverer> delivery;
  std::unique_ptr<ContentReader> operations_reader;
  std::unique_ptr<Auditor> auditor;
  std::unique_ptr<EnqueueService> enqueue;
  std::unique_ptr<NodeOperationsService> operations;
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<net::HttpServer> http;
  std::unique_ptr<rpc::ControlClient> control;
  net::Deadline disk_timer;
  net::Gauge* disk_free = nullptr;
  net::Gauge* disk_size = nullptr;
  absl::Status join_refused;
  uint64_t free_bytes = UINT64_MAX;
  bool suspect = false;   // as the store has it
  bool leaving = false;   // says "not ready", still takes mail
  bool draining = false;  // takes no mail
};

absl::Status Node::Parts::OpenSpool() {
  std::error_code error;
  std::filesystem::create_directories(options.data_dir, error);
  if (error) {
    return absl::UnavailableError(fmt::format("make {}: {}", options.data_dir, error.message()));
  }
  StoreOptions store_options;
  store_options.directory = options.data_dir + "/spool";
  store_options.on_fatal = [directory = store_options.directory, mark = FailureMark(options)](
                               const absl::Status& status) { Die(directory, mark, status); };
  auto opened = SpoolStore::Open(std::move(store_options));
  if (!opened.ok()) return opened.status();
  store = *std::move(opened);
  const auto boot_id = MachineBootId();
  if (!boot_id.ok()) return boot_id.status();
  const auto machine = CompareMachine(*store, *boot_id);
  if (!machine.ok()) return machine.status();
  auto loaded = LoadIdentity(*store, BootStep(*machine, RandomSeed()));
  if (!loaded.ok()) return loaded.status();
  identity = *std::move(loaded);
  cluster::ReplicaOptions& replica = options.core.replica;
  replica.self = identity.node;
  replica.boot = identity.boot;
  replica.seed = RandomSeed();
  // The boot clock starts with the machine.
  if (machine->restarted) replica.machine_restarted_at = Instant(std::chrono::nanoseconds(1));
  const bool power_lost = machine->first && !identity.last_stop_clean;
  const auto is_suspect = JudgeLastStop(*store, power_lost, FailureMark(options));
  if (!is_suspect.ok()) return is_suspect.status();
  NoteMachine(*store, *boot_id, *machine);
  suspect = replica.suspect = *is_suspect;
  // Announcements that were acknowledged went with what the disk lost.
  if (suspect && !machine->restarted) replica.machine_restarted_at = BootClock::now();
  if (suspect) {
    log.Warning("suspect", {{log::kNode, identity.node},
                            {log::kMsg,
                             "the last stop may have lost what was on the disk: what is here "
                             "counts for less until the other holders have compared"}});
  }
  snapshot.cluster_uuid = identity.cluster_uuid;
  return absl::OkStatus();
}

absl::Status Node::Parts::Build() {
  net::Resolver::Options resolver_options;
  resolver_options.servers = options.dns_servers;
  auto made = net::Resolver::Create(executor, std::move(resolver_options));
  if (!made.ok()) return made.status();
  resolver = *std::move(made);
  auto recovered = RecoverSegments(*store, BootClock::now(), options.core.replica.grace);
  if (!recovered.ok()) return recovered.status();
  uint64_t held = 0;
  for (const auto& segment : *recovered) held += segment.held.cardinality();
  log.Info("recovered",
           {{log::kNode, identity.node},
            {log::kCount, held},
            {log::kState, identity.last_stop_clean ? "clean" : "unclean"},
            {log::kMsg, fmt::format("boot {}, {} segments", identity.boot, recovered->size())}});
  MeshOptions mesh_options{identity.node, identity.boot, options.insecure, nullptr};
  mesh_options.on_evicted = [this](const auto& nodes) { control->MergeEvicted(nodes); };
  mesh = std::make_unique<MeshService>(executor, mesh_options, log.ForComponent("mesh"),
                                       [this](cluster::Event event) {
                                         if (CoreReady()) core->Apply(std::move(event));
                                       });
  core = std::make_unique<SpoolCore>(executor, options.core, *store, *mesh, snapshot,
                                     *std::move(recovered), log, metrics);
  options.delivery.seed = RandomSeed();
  delivery = std::make_unique<Deliverer>(executor, options.delivery, *store, *core, *resolver, log,
                                         metrics);
  core->SetDelivery(delivery.get());
  return absl::OkStatus();
}

absl::Status Node::Parts::Serve() {
  EnqueueService::Dependencies accept;
  accept.executor = executor;
  accept.core = core.get();
  accept.log = log.ForComponent("accept");
  accept.cluster_uuid = [this] { return snapshot.cluster_uuid; };
  accept.can_accept = [this] { return CanAccept(); };
  accept.regions = [this](const spool::Envelope& envelope) {
    return snapshot.RegionsFor(envelope.forward_paths);
  };
  accept.is_ready = [this] { return IsReady(); };
  enqueue = std::make_unique<EnqueueService>(std::move(accept));

  operations_reader = std::make_unique<ContentReader>(*store, 1);
  auditor = std::make_unique<Auditor>(*store, [this](const SegmentId& id) {
    const cluster::Replica& replica = core->replica();
    return PlanAudit(replica.Find(id), replica.MayStart(id, BootClock::now()));
  });
  NodeOperationsService::Dependencies ops;
  ops.executor = executor;
  ops.core = core.get();
  ops.delivery = delivery.get();
  ops.reader = operations_reader.get();
  ops.auditor = auditor.get();
  ops.can_accept = [this] { return CanAccept(); };
  ops.generation = [this] { return snapshot.generation; };
  ops.self = identity.node;
  ops.boot = identity.boot;
  ops.name = options.name;
  ops.data_dir = options.data_dir;
  ops.version = options.version;
  ops.copies = options.core.replica.copies;
  ops.write_copies = options.core.replica.write_copies;
  ops.min_regions = options.core.replica.min_regions;
  operations = std::make_unique<NodeOperationsService>(std::move(ops));

  net::HttpServer::Routes routes;
  routes["/metrics"] = [this] {
    return net::HttpReply{200, metrics.Serialize(), net::Metrics::kContentType};
  };
  routes["/livez"] = [] { return net::HttpReply{200, "ok\n"}; };
  routes["/readyz"] = [this] {
    const absl::Status can = IsReady();
    if (can.ok()) return net::HttpReply{200, "ok\n"};
    return net::HttpReply{503, fmt::format("{}\n", std::string(can.message()))};
  };
  auto http_opened = net::HttpServer::Open(executor, options.http_listen, std::move(routes));
  if (!http_opened.ok()) return http_opened.status();
  http = *std::move(http_opened);

  rpc::ServerOptions server_options;
  server_options.listen = options.listen;
  server_options.insecure = options.insecure;
  server_options.max_receive_bytes = kMeshReceiveBytes;
  server_options.services = {{EnqueueService::Name(), enqueue->service()},
                             {MeshService::Name(), mesh->service()},
                             {NodeOperationsService::Name(), operations->service()}};
  auto started = rpc::Server::Start(std::move(server_options));
  if (!started.ok()) return started.status();
  server = *std::move(started);
  server->SetServing(true);
  disk_free =
      &metrics.MakeGauge("disk_free_bytes", "Free on the spool's disk.", {{"volume", "spool"}});
  disk_size =
      &metrics.MakeGauge("disk_size_bytes", "Size of the spool's disk.", {{"volume", "spool"}});
  return absl::OkStatus();
}

absl::Status Node::Parts::Join() {
  rpc::ControlClientOptions client;
  client.coordinators = options.coordinators;
  client.insecure = options.insecure;
  client.cache_file = options.data_dir + "/snapshot";
  client.join.role = rpc::Role::kNode;
  client.join.name = options.name;
  client.join.region = options.region;
  client.join.cluster_uuid = identity.cluster_uuid;
  client.join.node = identity.node;
  client.join.boot = identity.boot;
  client.join.advertise_address = options.advertise_address;
  client.join.http_address = ToString(http->local());
  client.join.version = options.version;
  rpc::ControlClientCallbacks callbacks;
  callbacks.on_snapshot = [this](const cluster::Snapshot& next) { OnSnapshot(next); };
  callbacks.on_refused = [this](const absl::Status& status) {
    if (std::exchange(join_refused, status) == status) return;
    log.Error("join_refused", {{log::kError, status}});
  };
  callbacks.on_joined = [this] { join_refused = absl::OkStatus(); };
  callbacks.on_problem = [this](const absl::Status& status) {
    log.Warning("coordinator_problem", {{log::kError, status}});
  };
  auto created = rpc::ControlClient::Create(executor, std::move(client), std::move(callbacks));
  if (!created.ok()) return created.status();
  control = *std::move(created);
  core->SetAskToSurvive([this](const SegmentId& segment) {
    control->AskToSurvive(segment, [this, segment](absl::StatusOr<bool> granted) {
      using Kind = cluster::SurvivorVerdict::Kind;
      Kind kind = Kind::kUnreachable;
      if (granted.ok()) kind = *granted ? Kind::kGranted : Kind::kRefused;
      if (absl::IsFailedPrecondition(join_refused)) kind = Kind::kRefused;  // e.g. evicted
      core->Apply(cluster::SurvivorVerdict{kind, segment});
    });
  });
  control->Start();
  return absl::OkStatus();
}

void Node::Parts::OnSnapshot(const cluster::Snapshot& next) {
  if (identity.cluster_uuid.empty()) {
    // Once in the life of a data directory, before anything is accepted.
    if (absl::Status bound = BindCluster(*store, next.cluster_uuid); !bound.ok()) {
      Die(options.data_dir, FailureMark(options), bound);
    }
    identity.cluster_uuid = next.cluster_uuid;
  }
  if (next.cluster_uuid != identity.cluster_uuid) {
    log.Error("foreign_snapshot",
              {{log::kReason, "the snapshot is of cluster " + next.cluster_uuid +
                                  ", this data directory of " + identity.cluster_uuid}});
    return;
  }
  snapshot = next;
  core->Apply(cluster::SnapshotChanged{next});
  mesh->ApplySnapshot(next);
  delivery->ApplySnapshot(next);
  log.Info("configuration", {{log::kGeneration, next.generation},
                             {log::kCount, next.domains.size()},
                             {log::kMsg, fmt::format("{} members", next.members.size())}});
}

void Node::Parts::CheckDisk() {
  if (draining) return;
  auto space = ReadDiskSpace(options.data_dir);
  if (space.ok()) {
    const bool was_low = free_bytes < options.soft_free;
    free_bytes = space->available_bytes;
    disk_free->Set(static_cast<double>(space->available_bytes));
    disk_size->Set(static_cast<double>(space->total_bytes));
    const bool low = free_bytes < options.soft_free;
    if (low != was_low) {
      log.Warning(low ? "disk_low" : "disk_has_room", {{log::kBytes, free_bytes}});
    }
    const bool refuse = free_bytes < options.hard_free;
    if (core->refusing_copies() != refuse) {
      log.Warning(refuse ? "copies_refused" : "copies_taken", {{log::kBytes, free_bytes}});
      core->RefuseCopies(refuse);
      // Peers compare inventories when their streams come back.
      if (!refuse) mesh->ResetIncoming();
    }
  }
  if (suspect && core && !core->replica().GetView(BootClock::now()).suspect) {
    suspect = false;
    EndSuspicion(*store);
    log.Info("trusted", {{log::kMsg, "all that may have been lost was compared"}});
  }
  disk_timer.Arm(kDiskInterval);
}

absl::Status Node::Parts::CanAccept() const {
  if (draining) return absl::UnavailableError("this node is draining");
  // Evicted, or of another cluster: it must not go on with what it remembers.
  const bool new_here = snapshot.generation == 0;
  if (absl::IsFailedPrecondition(join_refused) || (new_here && !join_refused.ok())) {
    return absl::UnavailableError(join_refused.message());
  }
  if (new_here) return absl::UnavailableError("no configuration yet: no coordinator so far");
  if (free_bytes < options.soft_free) {
    return absl::ResourceExhaustedError(fmt::format("{} are free on the spool's disk, {} are kept",
                                                    FormatSize(free_bytes),
                                                    FormatSize(options.soft_free)));
  }
  return core->CanAccept();
}

absl::StatusOr<std::unique_ptr<Node>> Node::Start(net::Executor executor, NodeOptions options) {
  auto parts = std::make_unique<Parts>(std::move(executor), std::move(options));
  if (absl::Status status = parts->OpenSpool(); !status.ok()) return status;
  if (absl::Status status = parts->Build(); !status.ok()) return status;
  if (absl::Status status = parts->Serve(); !status.ok()) return status;
  if (absl::Status status = parts->Join(); !status.ok()) return status;
  parts->CheckDisk();
  parts->core->Start();
  parts->delivery->Start();
  parts->log.Info("started", {{log::kNode, parts->identity.node},
                              {log::kRegion, parts->options.region},
                              {log::kAddress, parts->server->address()},
                              {log::kVersion, parts->options.version}});
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Node::~Node() = default;

net::Awaitable<void> Node::Drain() {
  Parts& p = *parts_;
  p.log.Info("draining");
  p.leaving = true;
  p.server->SetServing(false);
  co_await net::SleepFor(kNoticeTime);
  p.draining = true;
  p.disk_timer.Cancel();
  p.core->Apply(cluster::StopAccepting{});
  co_await p.delivery->Drain(p.options.drain_delivery);
  const Instant limit = BootClock::now() + kSettleLimit;
  while (!p.core->Idle() && BootClock::now() < limit) co_await net::SleepFor(kSettlePoll);
  p.core->Stop();
  p.mesh->Close();
  net::Event stopped(p.executor);
  p.control->Stop([&stopped] { stopped.Set(); });
  co_await stopped.WaitFor(kSettleLimit);
  co_await p.server->AsyncShutdown(kServerGrace);
  p.http->Close();
  p.resolver->Close();
  if (p.core->Idle()) {
    absl::Status marked = MarkCleanStop(*p.store);
    if (!marked.ok()) p.log.Error("clean_stop_not_marked", {{log::kError, marked}});
  }
  p.log.Info("stopped");
}

}  // namespace fermo::node
