// What is stored of one message: the record (envelope, size, digest) and the
// outcomes of its legs, and how both look as octets (docs/record-format.md).
//
// The octets are the same on the wire and on every holder's disk. Values;
// no threads. Decoding refuses unknown versions, truncation and trailing
// octets with DataLoss; encoding cannot fail.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"

namespace fermo::spool {

enum class BodyType : uint8_t { kUnspecified = 0, k7Bit = 1, k8BitMime = 2 };

// RFC 5321's envelope, and who gave it to us. The legs are the forward-paths,
// numbered by their position from 0.
struct Envelope {
  std::string reverse_path;                // empty: <>
  std::vector<std::string> forward_paths;  // at least one
  BodyType body = BodyType::kUnspecified;
  std::string helo;
  std::string client_address;  // IP literal
};

inline constexpr size_t kDigestSize = 32;
using Digest = std::array<uint8_t, kDigestSize>;  // SHA-256 of the content

struct MessageRecord {
  Envelope envelope;
  WallTime received_at{};
  uint64_t token = 0;   // of the call that brought it
  uint32_t body = 0;    // number of the body within the segment
  uint32_t chunks = 0;  // chunks of that body, each at most 256 KiB
  uint64_t size = 0;    // octets of the content, our Received field included
  Digest digest{};
};

// InvalidArgument, naming the field, when a record exceeds lib/spool/limits.h
// or has no forward-path: then it could be encoded but not decoded.
absl::Status CheckLimits(const MessageRecord& record);

std::string Encode(const MessageRecord& record);
absl::StatusOr<MessageRecord> DecodeMessageRecord(std::string_view octets);

// Ordered: where two nodes know different outcomes of a leg, the greater wins.
enum class Outcome : uint8_t {
  kNone = 0,
  kCancelled = 1,
  kExpired = 2,
  kBounced = 3,
  kDelivered = 4
};
std::string_view ToString(Outcome outcome);  // "waiting" for kNone

// The terminal state of a leg and the evidence for it.
struct LegOutcome {
  Seq seq;
  uint32_t leg = 0;
  Outcome outcome = Outcome::kNone;
  Epoch epoch;        // ownership under which it was learned
  NodeId node;        // who learned it
  std::string reply;  // of the primary: printable, at most 512 octets
  WallTime at{};
};

// Encodes all but seq and leg, which are the key. A longer reply is cut.
std::string Encode(const LegOutcome& outcome);
absl::StatusOr<LegOutcome> DecodeLegOutcome(Seq seq, uint32_t leg, std::string_view octets);

// Domain of a forward- or reverse-path, as stored (lower case); empty if it has none.
std::string_view DomainOf(std::string_view path);

}  // namespace fermo::spool
