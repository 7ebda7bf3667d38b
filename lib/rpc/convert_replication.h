// What nodes say to each other (lib/cluster/messages.h) to its wire form
// (replication.proto) and back.
//
// Pure. ToProto appends to the frame's message and may take the octets out of
// nothing but shared buffers (it copies them). FromProto moves octets out of
// `in`; InvalidArgument names what a peer got wrong.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "lib/cluster/messages.h"

namespace fermoposta::v1 {
class ControlMessage;
class DataMessage;
}  // namespace fermoposta::v1

namespace fermo::rpc {

void ToProto(const cluster::ControlMessage& message, fermoposta::v1::ControlMessage* out);
void ToProto(const cluster::DataMessage& message, fermoposta::v1::DataMessage* out);
absl::StatusOr<cluster::ControlMessage> FromProto(fermoposta::v1::ControlMessage&& in);
absl::StatusOr<cluster::DataMessage> FromProto(fermoposta::v1::DataMessage&& in);

// At most so many octets, and not many fewer, does the message take in a frame.
size_t WireSize(const cluster::DataMessage& message);
size_t WireSize(const cluster::ControlMessage& message);

}  // namespace fermo::rpc
