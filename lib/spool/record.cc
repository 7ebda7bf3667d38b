#include "lib/spool/record.h"

#include <algorithm>

#include "fmt/format.h"
#include "lib/base/octet_codec.h"
#include "lib/spool/limits.h"

namespace fermo::spool {
namespace {

constexpr uint8_t kMessageVersion = 1;
constexpr uint8_t kOutcomeVersion = 1;

absl::Status Refused(std::string_view what) {
  return absl::DataLossError(fmt::format("{} does not follow its format", what));
}

// The version octet and the checksum are checked before anything else.
absl::StatusOr<OctetReader> OpenRecord(std::string_view octets, uint8_t version,
                                       std::string_view what) {
  if (!octets.empty() && static_cast<uint8_t>(octets[0]) != version) {
    return absl::DataLossError(fmt::format("{} has version {}, which this program does not know",
                                           what,
                                           static_cast<unsigned>(static_cast<uint8_t>(octets[0]))));
  }
  auto payload = VerifyChecked(octets, what);
  if (!payload.ok()) return payload.status();
  OctetReader reader(*payload);
  reader.Octet();
  return reader;
}

WallTime ReadWallTime(OctetReader& reader) {
  return WallTime(WallTime::duration(static_cast<int64_t>(reader.Varint())));
}

void WriteWallTime(WallTime time, OctetWriter& writer) {
  writer.Varint(static_cast<uint64_t>(time.time_since_epoch().count()));
}

Envelope ReadEnvelope(OctetReader& reader) {
  Envelope envelope;
  envelope.reverse_path = reader.Text(kMaxPathOctets);
  uint64_t paths = reader.Varint(kMaxForwardPaths);
  if (paths == 0) reader.Fail();
  for (uint64_t i = 0; i < paths && !reader.failed(); ++i) {
    std::string_view path = reader.Text(kMaxPathOctets);
    if (path.empty()) reader.Fail();
    envelope.forward_paths.emplace_back(path);
  }
  uint8_t body = reader.Octet();
  if (body > static_cast<uint8_t>(BodyType::k8BitMime)) reader.Fail();
  envelope.body = static_cast<BodyType>(body);
  envelope.helo = reader.Text(kMaxHeloOctets);
  envelope.client_address = reader.Text(kMaxClientAddressOctets);
  return envelope;
}

void WriteEnvelope(const Envelope& envelope, OctetWriter& writer) {
  writer.Text(envelope.reverse_path);
  writer.Varint(envelope.forward_paths.size());
  for (const std::string& path : envelope.forward_paths) writer.Text(path);
  writer.Octet(static_cast<uint8_t>(envelope.body));
  writer.Text(envelope.helo);
  writer.Text(envelope.client_address);
}

absl::Status CheckLength(std::string_view field, const std::string& text, size_t limit) {
  if (text.size() <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} has {} octets, more than {}", field, text.size(), limit));
}

}  // namespace

absl::Status CheckLimits(const MessageRecord& record) {
  const Envelope& envelope = record.envelope;
  size_t paths = envelope.forward_paths.size();
  if (paths == 0) return absl::InvalidArgumentError("the envelope has no forward-path");
  if (paths > kMaxForwardPaths) {
    return absl::InvalidArgumentError(
        fmt::format("the envelope has {} forward-paths, more than {}", paths, kMaxForwardPaths));
  }
  for (const std::string& path : envelope.forward_paths) {
    if (path.empty()) return absl::InvalidArgumentError("a forward-path is empty");
    absl::Status status = CheckLength("a forward-path", path, kMaxPathOctets);
    if (!status.ok()) return status;
  }
  if (record.chunks > kMaxChunks) {
    return absl::InvalidArgumentError(
        fmt::format("the content has {} chunks, more than {}", record.chunks, kMaxChunks));
  }
  absl::Status status = CheckLength("the reverse-path", envelope.reverse_path, kMaxPathOctets);
  if (status.ok()) status = CheckLength("the HELO name", envelope.helo, kMaxHeloOctets);
  if (status.ok()) {
    status = CheckLength("the client address", envelope.client_address, kMaxClientAddressOctets);
  }
  return status;
}

std::string Encode(const MessageRecord& record) {
  OctetWriter writer;
  writer.Octet(kMessageVersion);
  writer.Fixed64(record.token);
  WriteWallTime(record.received_at, writer);
  writer.Varint(record.body);
  writer.Varint(record.chunks);
  writer.Varint(record.size);
  writer.Raw({reinterpret_cast<const char*>(record.digest.data()), record.digest.size()});
  WriteEnvelope(record.envelope, writer);
  return writer.TakeChecked();
}

absl::StatusOr<MessageRecord> DecodeMessageRecord(std::string_view octets) {
  constexpr std::string_view kWhat = "message record";
  auto reader = OpenRecord(octets, kMessageVersion, kWhat);
  if (!reader.ok()) return reader.status();
  MessageRecord record;
  record.token = reader->Fixed64();
  record.received_at = ReadWallTime(*reader);
  record.body = reader->Varint32();
  record.chunks = static_cast<uint32_t>(reader->Varint(kMaxChunks));
  record.size = reader->Varint();
  std::string_view digest = reader->Raw(kDigestSize);
  std::copy(digest.begin(), digest.end(), record.digest.begin());
  record.envelope = ReadEnvelope(*reader);
  if (!reader->Complete()) return Refused(kWhat);
  return record;
}

std::string_view ToString(Outcome outcome) {
  switch (outcome) {
    case Outcome::kNone:
      return "waiting";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kExpired:
      return "expired";
    case Outcome::kBounced:
      return "bounced";
    case Outcome::kDelivered:
      return "delivered";
  }
  return "unknown";
}

std::string Encode(const LegOutcome& outcome) {
  OctetWriter writer;
  writer.Octet(kOutcomeVersion);
  writer.Octet(static_cast<uint8_t>(outcome.outcome));
  writer.Varint(outcome.epoch.value());
  writer.Fixed64(outcome.node.value());
  WriteWallTime(outcome.at, writer);
  writer.Text(std::string_view(outcome.reply).substr(0, kMaxReplyOctets));
  return writer.TakeChecked();
}

absl::StatusOr<LegOutcome> DecodeLegOutcome(Seq seq, uint32_t leg, std::string_view octets) {
  constexpr std::string_view kWhat = "outcome of a leg";
  auto reader = OpenRecord(octets, kOutcomeVersion, kWhat);
  if (!reader.ok()) return reader.status();
  LegOutcome result;
  result.seq = seq;
  result.leg = leg;
  uint8_t outcome = reader->Octet();
  // A leg that still waits has no row.
  if (outcome == 0 || outcome > static_cast<uint8_t>(Outcome::kDelivered)) reader->Fail();
  result.outcome = static_cast<Outcome>(outcome);
  result.epoch = Epoch(reader->Varint());
  result.node = NodeId(reader->Fixed64());
  result.at = ReadWallTime(*reader);
  result.reply = reader->Text(kMaxReplyOctets);
  if (!reader->Complete()) return Refused(kWhat);
  return result;
}

std::string_view DomainOf(std::string_view path) {
  size_t at = path.rfind('@');
  return at == std::string_view::npos ? std::string_view() : path.substr(at + 1);
}

}  // namespace fermo::spool
