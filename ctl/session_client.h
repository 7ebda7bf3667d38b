// One run of fermoctl: where it prints, and its line to a coordinator.
//
// Not thread-safe. Calls block; each has the deadline of --timeout. Failure:
// absl::Status for people; `reached` tells whether a coordinator was there.
#pragma once

#include <grpcpp/client_context.h>

#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "fermoposta/v1/operations.grpc.pb.h"
#include "lib/base/time.h"
#include "lib/rpc/status.h"

namespace fermo::ctl {

struct SessionOptions {
  std::vector<std::string> coordinators;  // HOST:PORT, tried in this order
  bool insecure = false;
  bool json = false;
  Duration timeout = std::chrono::seconds(10);
  size_t width = 0;                         // of the terminal; 0: not a terminal
  Duration poll = std::chrono::seconds(1);  // between two looks at what takes its time
};

class Session {
 public:
  using Stub = fermoposta::v1::Operations::Stub;

  Session(SessionOptions options, std::ostream& out, std::ostream& err)
      : options_(std::move(options)), out_(out), err_(err) {}

  // Connects to the first coordinator that answers. InvalidArgument: an
  // address or option that cannot be used; Unavailable: none answers.
  absl::Status Connect();
  bool reached() const { return stub_ != nullptr; }

  // REQUIRES: Connect has succeeded. For example
  //   session.Call(&Session::Stub::AddDomain, request, &response)
  template <class Request, class Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    SetDeadline(&context);
    return Explain(rpc::ToAbsl((stub_.get()->*method)(&context, request, response)));
  }

  bool json() const { return options_.json; }
  size_t width() const { return options_.width; }
  Duration timeout() const { return options_.timeout; }
  Duration poll() const { return options_.poll; }
  WallTime now() const { return WallNow(); }
  std::ostream& out() { return out_; }
  // A line on stderr that does not change the exit code.
  void Warn(const std::string& text);
  // Of a command that fails, instead of the usual ones.
  void SetExitCode(int code) { exit_code_ = code; }
  std::optional<int> exit_code() const { return exit_code_; }

 private:
  absl::Status TryConnect(const std::string& address, Duration limit);
  void SetDeadline(grpc::ClientContext* context) const;
  absl::Status Explain(absl::Status status) const;

  const SessionOptions options_;
  std::ostream& out_;
  std::ostream& err_;
  std::unique_ptr<Stub> stub_;
  std::string address_;
  std::optional<int> exit_code_;
};

}  // namespace fermo::ctl
