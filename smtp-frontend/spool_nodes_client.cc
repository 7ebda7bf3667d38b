#include "smtp-frontend/spool_nodes_client.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/unary.h"

namespace fermo::frontend {

namespace asio = boost::asio;

// Between looks at a node that answers pings but is not connected for messages.
constexpr Duration kConnecting = std::chrono::milliseconds(20);

SpoolNodes::SpoolNodes(asio::any_io_executor executor, GrpcSpoolClientOptions options, Log log)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      log_(std::move(log)),
      picker_(options_.region),
      rng_(RandomSeed()) {}

void SpoolNodes::Update(const cluster::Snapshot& snapshot) {
  std::map<NodeId, std::shared_ptr<NodeLink>> old;
  std::vector<std::shared_ptr<NodeLink>> fresh;
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    old = links_;
  }
  cluster::Snapshot residents;
  std::copy_if(snapshot.domains.begin(), snapshot.domains.end(),
               std::back_inserter(residents.domains),
               [](const cluster::Domain& domain) { return !domain.regions.empty(); });
  std::map<NodeId, std::shared_ptr<NodeLink>> links;
  cluster::Snapshot usable;  // the members that can be dialled
  usable.evicted = snapshot.evicted;
  for (const cluster::Member& member : snapshot.members) {
    const auto known = old.find(member.node);
    if (known != old.end() && known->second->member == member) {
      links.insert(old.extract(known));
    } else if (auto link = MakeLink(member)) {
      links[member.node] = link;
      fresh.push_back(std::move(link));
    } else {
      continue;
    }
    usable.members.push_back(member);
  }
  {
    std::lock_guard lock(mutex_);
    cluster_uuid_ = snapshot.cluster_uuid;
    picker_.SetMembers(usable);
    residents_ = std::move(residents);
    for (const auto& link : fresh) picker_.SetReady(link->member.node, false);
    links_ = std::move(links);
  }
  for (const auto& [node, link] : old) StopLink(link);
  for (const auto& link : fresh) {
    asio::co_spawn(executor_, PingLoop(shared_from_this(), link), asio::detached);
  }
}

std::shared_ptr<NodeLink> SpoolNodes::MakeLink(const cluster::Member& member) {
  rpc::ChannelOptions options;
  options.insecure = options_.insecure;
  options.own_connection = true;
  auto channel = rpc::Dial(member.address, options);
  auto ping_channel = rpc::Dial(member.address, options);
  if (!channel.ok() || !ping_channel.ok()) {
    if (log_) {
      log_(absl::StrCat("node ", member.name, " cannot be used: ", channel.status().message()));
    }
    return nullptr;
  }
  auto link = std::make_shared<NodeLink>(executor_);
  link->member = member;
  link->channel = *std::move(channel);
  link->channel->GetState(true);  // connects
  link->stubs = std::make_shared<EnqueueStubs>(link->channel);
  link->ping_stub = v1::Spool::NewStub(*ping_channel);
  return link;
}

void SpoolNodes::StopLink(const std::shared_ptr<NodeLink>& link) {
  link->stopped = true;
  link->timer.cancel();  // a ping under way ends by its deadline
}

void SpoolNodes::Stop() {
  std::map<NodeId, std::shared_ptr<NodeLink>> links;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    links.swap(links_);
  }
  for (const auto& [node, link] : links) StopLink(link);
}

asio::awaitable<void> SpoolNodes::PingLoop(std::shared_ptr<SpoolNodes> nodes,
                                           std::shared_ptr<NodeLink> link) {
  using Async = v1::Spool::StubInterface::async_interface;
  while (!link->stopped) {
    v1::PingRequest request;
    request.set_cluster_uuid(nodes->cluster_uuid());
    absl::StatusOr<v1::PingResponse> answer = co_await rpc::Call(
        link->ping_stub->async(), &Async::Ping, std::move(request), nodes->options_.ping_deadline);
    if (link->stopped) break;
    link->timer.expires_after(nodes->Heard(*link, answer));
    co_await link->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

Duration SpoolNodes::Heard(const NodeLink& link, const absl::StatusOr<v1::PingResponse>& answer) {
  if (!answer.ok()) {
    SetReady(link, false, answer.status().ToString());
  } else if (!answer->ready()) {
    SetReady(link, false, answer->reason());
  } else if (link.channel->GetState(true) != GRPC_CHANNEL_READY) {
    SetReady(link, false, "connecting");
    return std::min<Duration>(kConnecting, options_.ping_interval);
  } else {
    SetReady(link, true, "");
  }
  return options_.ping_interval;
}

void SpoolNodes::SetReady(const NodeLink& link, bool ready, const std::string& reason) {
  const NodeId node = link.member.node;
  bool changed = false;
  {
    std::lock_guard lock(mutex_);
    const auto known = links_.find(node);
    if (known == links_.end() || known->second.get() != &link) return;
    changed = picker_.IsReady(node) != ready;
    picker_.SetReady(node, ready);
  }
  if (!changed || !log_) return;
  log_(ready ? absl::StrCat("node ", link.member.name, " is ready")
             : absl::StrCat("node ", link.member.name, " is not ready: ", reason));
}

std::shared_ptr<NodeLink> SpoolNodes::Pick(const std::vector<NodeId>& tried,
                                           const std::vector<std::string>& regions) {
  std::lock_guard lock(mutex_);
  // Ends: each turn returns or makes one ready node unready.
  while (!stopped_) {
    const std::optional<NodeId> node = picker_.Pick(tried, regions);
    if (!node) return nullptr;
    const auto link = links_.find(*node);
    // A lost connection is known here before the next ping finds out.
    if (link != links_.end() && link->second->channel->GetState(false) == GRPC_CHANNEL_READY) {
      return link->second;
    }
    picker_.SetReady(*node, false);
  }
  return nullptr;
}

std::vector<std::string> SpoolNodes::RegionsFor(
    const std::vector<std::string>& forward_paths) const {
  std::lock_guard lock(mutex_);
  // A mixture is refused at RCPT, and by the node.
  return residents_.RegionsFor(forward_paths).value_or(std::vector<std::string>());
}

bool SpoolNodes::Ready() const {
  std::lock_guard lock(mutex_);
  return !stopped_ && picker_.AnyReady();
}

GrpcSpoolClient::NodeCounts SpoolNodes::Count() const {
  std::lock_guard lock(mutex_);
  GrpcSpoolClient::NodeCounts counts;
  counts.members = links_.size();
  for (const auto& [node, link] : links_) counts.ready += picker_.IsReady(node) ? 1 : 0;
  return counts;
}

absl::Status SpoolNodes::NoneReady() const {
  std::lock_guard lock(mutex_);
  if (stopped_) return absl::UnavailableError("shutting down");
  if (links_.empty()) return absl::UnavailableError("no node is known");
  return absl::UnavailableError(absl::StrCat("none of ", links_.size(), " nodes is ready"));
}

std::string SpoolNodes::cluster_uuid() const {
  std::lock_guard lock(mutex_);
  return cluster_uuid_;
}

uint64_t SpoolNodes::NewToken() {
  std::lock_guard lock(mutex_);
  for (;;) {
    if (const uint64_t token = rng_.NextU64()) return token;
  }
}

}  // namespace fermo::frontend
