// Long-lived bidirectional streams between our own processes, seen from an
// Asio executor: frames are pulled from the owner when the transport can take
// one, so that whatever has gathered meanwhile goes in one frame.
//
//   ClientStream<Out, In>  opens the stream
//   ServerStream<Out, In>  is handed to the service that accepted it
//
// Threading: every method is called, and every callback runs, on the one
// executor given (a strand, or an io_context run by one thread). gRPC's own
// threads only move frames into a bounded inbox.
//
// Ownership: the stream object belongs to the owner, who may destroy it at any
// time, also inside a callback: the call is then cancelled and no callback
// follows. What gRPC still needs keeps itself alive until gRPC is done, and
// keeps the executor busy (work guard) until then. Rule: the io_context must
// outlive that, so let run() return by itself instead of stopping it.
//
// Flow: at most `max_unhandled_frames` frames have been read and not yet been
// handled; beyond that the peer is held back by HTTP/2. One write is
// outstanding at a time.
//
// Failure: on_closed is called once and last (unless the stream was destroyed)
// with how it ended; frames that came before are delivered first. Frames
// pulled and not yet written are lost with the stream: the owner resends by id.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>
#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "lib/rpc/stream_core.h"

namespace fermo::rpc {

namespace detail {
template <class Out, class In>
class ClientCore;
template <class Out, class In>
class ServerCore;
}  // namespace detail

// StreamCallbacks<Out, In> (stream_core.h):
//   std::function<std::optional<Out>()> next_frame;  // nothing to send: nullopt
//   std::function<void(In)> on_frame;
//   std::function<void(absl::Status)> on_closed;

template <class Out, class In>
class ClientStream {
 public:
  // Starts the call on the stub, such as
  //   [stub](auto* context, auto* reactor) { stub->async()->Control(context, reactor); }
  // It runs within the constructor and is kept, with what it holds, until the
  // stream is done.
  using Opener = std::function<void(grpc::ClientContext*, grpc::ClientBidiReactor<Out, In>*)>;

  // Opens the stream and asks for the first frame as soon as the executor
  // runs. An unreachable peer shows as on_closed(Unavailable).
  ClientStream(boost::asio::any_io_executor executor, Opener opener,
               StreamCallbacks<Out, In> callbacks, StreamOptions options = {});
  ~ClientStream();
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // There may be something to send. Cheap; many calls become one question.
  void Notify();
  // Sends no more; the peer ends the stream, and on_closed follows. A frame
  // that is being written is still sent; next_frame is not asked again.
  void Close();
  // Ends the stream; on_closed follows: at once, or, if the peer is frozen and
  // the socket full, when keepalive has given the connection up (15 s). Who
  // cannot wait destroys the stream.
  void Cancel();
  // A frame is with gRPC, not yet taken by the transport.
  bool Writing() const;

 private:
  std::shared_ptr<detail::ClientCore<Out, In>> core_;
};

template <class Out, class In>
class ServerStream {
 public:
  using OnAccepted = std::function<void(std::unique_ptr<ServerStream>)>;

  // For the body of a callback service's method, on a gRPC thread. Returns the
  // reactor for gRPC and hands the stream to `on_accepted` on the executor.
  // Nothing is read before Start. An owner that drops the stream without
  // starting it refuses the call with Unavailable.
  static grpc::ServerBidiReactor<In, Out>* Accept(grpc::CallbackServerContext* context,
                                                  boost::asio::any_io_executor executor,
                                                  OnAccepted on_accepted,
                                                  StreamOptions options = {});
  ~ServerStream();
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  // Once. Begins to read and asks for the first frame.
  void Start(StreamCallbacks<Out, In> callbacks);
  void Notify();
  // Ends the call with this status after the frame that is being written.
  void Close(absl::Status status = absl::OkStatus());
  bool Writing() const;
  // As gRPC names the client, such as ipv4:127.0.0.1:41234.
  const std::string& peer() const;

 private:
  explicit ServerStream(std::shared_ptr<detail::ServerCore<Out, In>> core);
  std::shared_ptr<detail::ServerCore<Out, In>> core_;
};

}  // namespace fermo::rpc

#include "lib/rpc/bidi_stream_impl.h"
