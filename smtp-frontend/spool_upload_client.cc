#include "smtp-frontend/spool_upload_client.h"

#include <boost/asio/this_coro.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/net/asio.h"
#include "lib/rpc/unary.h"

namespace fermo::frontend {

namespace asio = boost::asio;

namespace {

// Whether another node may do better with a message of which this one has
// taken nothing.
bool AnotherMayTakeIt(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) ||
         absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status);
}

constexpr Duration kResolveAgain = std::chrono::milliseconds(200);

absl::Status Misuse() {
  return absl::FailedPreconditionError("the upload has failed or was committed");
}

}  // namespace

GrpcSpoolUpload::GrpcSpoolUpload(std::shared_ptr<SpoolNodes> nodes, rpc::EnqueueStart start)
    : nodes_(std::move(nodes)),
      start_(std::move(start)),
      token_(start_.token),
      regions_(nodes_->RegionsFor(start_.envelope.forward_paths)) {}

GrpcSpoolUpload::~GrpcSpoolUpload() {
  if (call_) call_->Abandon();
}

v1::EnqueueRequest GrpcSpoolUpload::FirstRequest(std::string chunk) {
  v1::EnqueueRequest request;
  rpc::ToProto(std::move(start_), request.mutable_open());
  request.set_chunk(std::move(chunk));
  return request;
}

asio::awaitable<absl::Status> GrpcSpoolUpload::Write(std::string chunk) {
  if (failed_) co_return Misuse();
  if (!call_) co_return co_await WriteFirst(std::move(chunk));
  v1::EnqueueRequest request;
  request.set_chunk(std::move(chunk));
  call_->Send(std::move(request));
  absl::Status status = co_await AwaitWritten();
  if (status.ok()) co_return status;
  co_return Failed(std::move(status));
}

// Tries node after node until one takes the first chunk.
asio::awaitable<absl::Status> GrpcSpoolUpload::WriteFirst(std::string chunk) {
  co_await MakeDeadline();
  v1::EnqueueRequest request = FirstRequest(std::move(chunk));
  std::vector<NodeId> tried;
  absl::Status last = nodes_->NoneReady();
  while ((link_ = nodes_->Pick(tried, regions_))) {
    call_ = EnqueueCall::Start(link_->stubs, std::move(request), Duration::zero());
    absl::Status status = co_await AwaitWritten();
    if (status.ok()) co_return status;
    // A cancelled coroutine must not wait again.
    const bool cancelled = !!(co_await asio::this_coro::cancellation_state).cancelled();
    const bool again = AnotherMayTakeIt(status) && !cancelled;
    last = Failed(std::move(status));
    if (!again) co_return last;
    tried.push_back(link_->member.node);
    request = call_->TakeRequest();
    call_.reset();
    failed_ = false;
  }
  failed_ = true;
  co_return last;
}

asio::awaitable<void> GrpcSpoolUpload::MakeDeadline() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  // Armed only while a wait on call_ goes on, by a coroutine that owns us.
  deadline_ = std::make_unique<net::Deadline>(
      executor, [this] { call_->GiveUp(absl::DeadlineExceededError("no answer in time")); });
}

asio::awaitable<absl::Status> GrpcSpoolUpload::AwaitWritten() {
  deadline_->Arm(nodes_->options().write_deadline);
  absl::Status status = co_await call_->Written();
  deadline_->Disarm();
  co_return status;
}

// A message of one chunk: one request. Never tried again once it was started.
absl::Status GrpcSpoolUpload::StartOnly(std::string chunk) {
  link_ = nodes_->Pick({}, regions_);
  if (!link_) return nodes_->NoneReady();
  v1::EnqueueRequest request = FirstRequest(std::move(chunk));
  request.set_last(true);
  call_ = EnqueueCall::Start(link_->stubs, std::move(request), nodes_->options().verdict_deadline);
  return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<std::string>> GrpcSpoolUpload::Commit(std::string last_chunk) {
  if (failed_) co_return Misuse();
  committing_ = true;
  if (call_) {
    v1::EnqueueRequest request;
    request.set_chunk(std::move(last_chunk));
    request.set_last(true);
    deadline_->Arm(nodes_->options().verdict_deadline);
    call_->Send(std::move(request));
  } else {
    absl::Status started = StartOnly(std::move(last_chunk));
    if (!started.ok()) {
      failed_ = true;
      co_return started;
    }
  }
  absl::Status status = co_await call_->Done();
  if (deadline_) deadline_->Disarm();
  if (status.ok() && call_->message_id().empty()) {
    status = absl::InternalError("the node named no message id");
  }
  if (!status.ok()) {
    absl::Status failed = Failed(std::move(status));
    if (absl::IsUnknown(failed)) co_return co_await Resolve(std::move(failed));
    co_return failed;
  }
  failed_ = true;  // committed: no second time
  co_return call_->message_id();
}

// The call broke after the last chunk: the same node is asked what became of
// the message, as soon as it answers again. Nobody else is: the message would be
// there twice.
asio::awaitable<absl::StatusOr<std::string>> GrpcSpoolUpload::Resolve(absl::Status unknown) {
  using Async = v1::Spool::StubInterface::async_interface;
  const Instant end = BootClock::now() + nodes_->options().resolve_limit;
  while (BootClock::now() < end) {
    const bool cancelled = !!(co_await asio::this_coro::cancellation_state).cancelled();
    if (cancelled) break;
    v1::ResolveRequest request;
    request.set_cluster_uuid(nodes_->cluster_uuid());
    request.set_token(token_);
    const Duration left = end - BootClock::now();
    auto answer =
        co_await rpc::Call(link_->ping_stub->async(), &Async::Resolve, std::move(request), left);
    if (answer.ok()) co_return answer->message_id();
    if (!absl::IsUnavailable(answer.status())) break;
    co_await net::SleepFor(kResolveAgain);
  }
  co_return unknown;
}

absl::Status GrpcSpoolUpload::Failed(absl::Status status) {
  failed_ = true;
  if (absl::IsDeadlineExceeded(status)) status = absl::UnavailableError("no answer in time");
  if (absl::IsUnavailable(status) || absl::IsAborted(status) || absl::IsResourceExhausted(status)) {
    nodes_->SetReady(*link_, false, std::string(status.message()));
  }
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
      break;
    case absl::StatusCode::kCancelled:
      if (committing_) status = absl::UnknownError(status.message());
      break;
    case absl::StatusCode::kAborted:  // the node says that the message is not taken
      status = absl::UnavailableError(status.message());
      break;
    default:
      // After the last chunk only the node's own refusals are certain: anything
      // else leaves open whether the message is safe.
      status = committing_ ? absl::UnknownError(status.message())
                           : absl::UnavailableError(status.message());
  }
  return absl::Status(status.code(),
                      absl::StrCat("node ", link_->member.name, ": ", status.message()));
}

}  // namespace fermo::frontend
