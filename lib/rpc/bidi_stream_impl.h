// The reactors behind bidi_stream.h, and its template bodies. Not included by
// anything else.
//
// gRPC's rules that shape this: operations that a client starts outside of a
// reaction need a hold, taken before StartCall and given back once no more
// will be started; the end of a call shows only as a failed read; a server
// must Finish every call, cancelled ones too, and touches nothing after it.
#pragma once

#include <grpcpp/server_context.h>
#include <atomic>

#include "lib/rpc/bidi_stream.h"
#include "lib/rpc/status.h"

namespace fermo::rpc {
namespace detail {

template <class Out, class In>
class ClientCore final : public StreamCore<ClientCore<Out, In>, Out, In>,
                         public grpc::ClientBidiReactor<Out, In> {
  using Core = StreamCore<ClientCore<Out, In>, Out, In>;
  friend Core;

 public:
  using Opener = typename ClientStream<Out, In>::Opener;

  ClientCore(boost::asio::any_io_executor executor, Opener opener, const StreamOptions& options)
      : Core(std::move(executor), options), opener_(std::move(opener)) {
    context_.set_wait_for_ready(options.wait_for_ready);
  }

  void Open(StreamCallbacks<Out, In> callbacks) {
    this->callbacks_ = std::make_shared<StreamCallbacks<Out, In>>(std::move(callbacks));
    self_ = this->shared_from_this();
    opener_(&context_, this);
    this->AddHold();
    BeginRead();
    this->StartCall();
    this->Notify();
  }
  void Close() {
    this->closing_ = true;
    Settle();
  }
  void Cancel() { context_.TryCancel(); }
  void Abandon() {
    this->callbacks_.reset();
    if (this->done_) return;
    context_.TryCancel();
    ReadsOver();
  }

 private:
  void BeginRead() { this->StartRead(&this->incoming_); }
  void BeginWrite() { this->StartWrite(&this->outgoing_); }
  void Settle() {
    if (!this->closing_ || this->writing_ || this->ending_) return;
    if (!std::exchange(writes_done_, true)) this->StartWritesDone();
  }
  void ReadsOver() {
    if (!std::exchange(this->ending_, true)) this->RemoveHold();
  }

  void OnReadDone(bool ok) override { this->FrameRead(ok); }
  void OnWriteDone(bool ok) override { this->FrameWritten(ok); }
  void OnDone(const grpc::Status& status) override {
    auto self = std::move(self_);
    boost::asio::post(this->executor_, [self = std::move(self), status = ToAbsl(status)]() mutable {
      self->Done(std::move(status));
    });
  }

  Opener opener_;
  grpc::ClientContext context_;
  std::shared_ptr<ClientCore> self_;  // until OnDone
  bool writes_done_ = false;
};

template <class Out, class In>
class ServerCore final : public StreamCore<ServerCore<Out, In>, Out, In>,
                         public grpc::ServerBidiReactor<In, Out> {
  using Core = StreamCore<ServerCore<Out, In>, Out, In>;
  friend Core;

 public:
  ServerCore(boost::asio::any_io_executor executor, std::string peer, const StreamOptions& options)
      : Core(std::move(executor), options), peer_(std::move(peer)) {}

  // On gRPC's thread, before the reactor is given to gRPC.
  void KeepSelf() { self_ = this->shared_from_this(); }

  void Start(StreamCallbacks<Out, In> callbacks) {
    this->callbacks_ = std::make_shared<StreamCallbacks<Out, In>>(std::move(callbacks));
    started_ = true;
    if (this->done_) {  // over before it was started
      this->Post([](ServerCore& self) { self.Done(self.final_status_); });
      return;
    }
    if (this->ending_) return;
    BeginRead();
    this->Notify();
  }
  void Close(absl::Status status) {
    if (this->closing_) return;
    this->closing_ = true;
    end_ = std::move(status);
    Settle();
  }
  void Abandon() {
    this->callbacks_.reset();
    Close(started_ ? absl::CancelledError("the stream was dropped")
                   : absl::UnavailableError("not taking streams now"));
  }
  const std::string& peer() const { return peer_; }

 private:
  void BeginRead() { this->StartRead(&this->incoming_); }
  void BeginWrite() { this->StartWrite(&this->outgoing_); }
  void Settle() {
    if (!this->closing_ || this->writing_ || this->ending_) return;
    this->ending_ = true;
    this->Finish(ToGrpc(end_));
  }
  void ReadsOver() { Close(absl::OkStatus()); }

  void OnReadDone(bool ok) override { this->FrameRead(ok); }
  void OnWriteDone(bool ok) override { this->FrameWritten(ok); }
  void OnCancel() override {
    cancelled_.store(true, std::memory_order_relaxed);
    this->Post([](ServerCore& self) { self.Close(absl::CancelledError("cancelled")); });
  }
  void OnDone() override {
    auto self = std::move(self_);
    boost::asio::post(this->executor_, [self = std::move(self)] {
      const bool cancelled = self->cancelled_.load(std::memory_order_relaxed);
      self->Done(cancelled ? absl::CancelledError("the peer is gone or has cancelled")
                           : self->end_);
    });
  }

  const std::string peer_;
  std::shared_ptr<ServerCore> self_;  // until OnDone
  std::atomic<bool> cancelled_{false};
  bool started_ = false;
  absl::Status end_;
};

}  // namespace detail

template <class Out, class In>
ClientStream<Out, In>::ClientStream(boost::asio::any_io_executor executor, Opener opener,
                                    StreamCallbacks<Out, In> callbacks, StreamOptions options)
    : core_(std::make_shared<detail::ClientCore<Out, In>>(std::move(executor), std::move(opener),
                                                          options)) {
  core_->Open(std::move(callbacks));
}
template <class Out, class In>
ClientStream<Out, In>::~ClientStream() {
  core_->Abandon();
}
template <class Out, class In>
void ClientStream<Out, In>::Notify() {
  core_->Notify();
}
template <class Out, class In>
void ClientStream<Out, In>::Close() {
  core_->Close();
}
template <class Out, class In>
void ClientStream<Out, In>::Cancel() {
  core_->Cancel();
}
template <class Out, class In>
bool ClientStream<Out, In>::Writing() const {
  return core_->writing();
}

template <class Out, class In>
grpc::ServerBidiReactor<In, Out>* ServerStream<Out, In>::Accept(
    grpc::CallbackServerContext* context, boost::asio::any_io_executor executor,
    OnAccepted on_accepted, StreamOptions options) {
  auto core = std::make_shared<detail::ServerCore<Out, In>>(executor, context->peer(), options);
  auto* reactor = core.get();
  core->KeepSelf();
  boost::asio::post(executor, [core = std::move(core), accepted = std::move(on_accepted)] {
    accepted(std::unique_ptr<ServerStream>(new ServerStream(core)));
  });
  return reactor;
}
template <class Out, class In>
ServerStream<Out, In>::ServerStream(std::shared_ptr<detail::ServerCore<Out, In>> core)
    : core_(std::move(core)) {}
template <class Out, class In>
ServerStream<Out, In>::~ServerStream() {
  core_->Abandon();
}
template <class Out, class In>
void ServerStream<Out, In>::Start(StreamCallbacks<Out, In> callbacks) {
  core_->Start(std::move(callbacks));
}
template <class Out, class In>
void ServerStream<Out, In>::Notify() {
  core_->Notify();
}
template <class Out, class In>
void ServerStream<Out, In>::Close(absl::Status status) {
  core_->Close(std::move(status));
}
template <class Out, class In>
bool ServerStream<Out, In>::Writing() const {
  return core_->writing();
}
template <class Out, class In>
const std::string& ServerStream<Out, In>::peer() const {
  return core_->peer();
}

}  // namespace fermo::rpc
