// grpc::Status to absl::Status and back. The codes have the same numbers, so
// nothing is lost but error details, which we do not use.
//
// Pure; no failure. A number that is no canonical code becomes Unknown.
#pragma once

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace fermo::rpc {

absl::Status ToAbsl(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace fermo::rpc
