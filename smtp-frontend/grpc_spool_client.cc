#include "smtp-frontend/grpc_spool_client.h"

#include <utility>

#include "lib/base/random.h"
#include "smtp-frontend/spool_nodes_client.h"
#include "smtp-frontend/spool_upload_client.h"

namespace fermo::frontend {

GrpcSpoolClient::GrpcSpoolClient(boost::asio::any_io_executor executor,
                                 GrpcSpoolClientOptions options, Log log)
    : nodes_(
          std::make_shared<SpoolNodes>(std::move(executor), std::move(options), std::move(log))) {}

GrpcSpoolClient::~GrpcSpoolClient() { nodes_->Stop(); }

void GrpcSpoolClient::Update(const cluster::Snapshot& snapshot) { nodes_->Update(snapshot); }
void GrpcSpoolClient::Stop() { nodes_->Stop(); }
bool GrpcSpoolClient::Ready() const { return nodes_->Ready(); }
GrpcSpoolClient::NodeCounts GrpcSpoolClient::CountNodes() const { return nodes_->Count(); }

namespace {

using MaybeUpload = absl::StatusOr<std::unique_ptr<SpoolUpload>>;

boost::asio::awaitable<MaybeUpload> BeginUpload(std::shared_ptr<SpoolNodes> nodes,
                                                spool::Envelope envelope, std::string session_id) {
  if (!nodes->Ready()) co_return nodes->NoneReady();
  rpc::EnqueueStart start;
  start.cluster_uuid = nodes->cluster_uuid();
  start.token = nodes->NewToken();
  start.envelope = std::move(envelope);
  start.session_id = std::move(session_id);
  std::unique_ptr<SpoolUpload> upload =
      std::make_unique<GrpcSpoolUpload>(std::move(nodes), std::move(start));
  co_return upload;
}

}  // namespace

boost::asio::awaitable<MaybeUpload> GrpcSpoolClient::Begin(spool::Envelope envelope,
                                                           std::string session_id) {
  return BeginUpload(nodes_, std::move(envelope), std::move(session_id));
}

}  // namespace fermo::frontend
