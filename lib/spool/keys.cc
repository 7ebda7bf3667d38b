#include "lib/spool/keys.h"

#include "absl/status/status.h"
#include "fmt/format.h"
#include "lib/base/octet_codec.h"

namespace fermo::spool {
namespace {

SegmentId ReadSegment(OctetReader& reader) {
  SegmentId id;
  id.writer = NodeId(reader.Fixed64());
  id.boot = reader.Fixed32();
  id.number = reader.Fixed32();
  return id;
}

absl::Status Misshapen(std::string_view what, std::string_view key) {
  return absl::DataLossError(fmt::format("a {} key has {} octets", what, key.size()));
}

}  // namespace

void Key::Append32(uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) octets_[size_++] = static_cast<char>(value >> shift);
}

void Key::Append64(uint64_t value) {
  Append32(static_cast<uint32_t>(value >> 32));
  Append32(static_cast<uint32_t>(value));
}

Key SegmentKey(const SegmentId& segment) {
  Key key;
  key.Append64(segment.writer.value());
  key.Append32(segment.boot);
  key.Append32(segment.number);
  return key;
}

Key MessageKey(const SegmentId& segment, Seq seq) {
  Key key = SegmentKey(segment);
  key.Append32(seq.value());
  return key;
}

Key BodyKey(const SegmentId& segment, uint32_t body, uint32_t chunk) {
  Key key = SegmentKey(segment);
  key.Append32(body);
  key.Append32(chunk);
  return key;
}

Key RecipientKey(const SegmentId& segment, Seq seq, uint32_t leg) {
  Key key = MessageKey(segment, seq);
  key.Append32(leg);
  return key;
}

absl::StatusOr<SegmentId> DecodeSegmentKey(std::string_view key) {
  OctetReader reader(key);
  SegmentId id = ReadSegment(reader);
  if (!reader.Complete()) return Misshapen("segment", key);
  return id;
}

absl::StatusOr<MessageId> DecodeMessageKey(std::string_view key) {
  OctetReader reader(key);
  MessageId id;
  id.segment = ReadSegment(reader);
  id.seq = Seq(reader.Fixed32());
  if (!reader.Complete()) return Misshapen("message", key);
  return id;
}

absl::StatusOr<BodyPosition> DecodeBodyKey(std::string_view key) {
  OctetReader reader(key);
  BodyPosition position;
  position.segment = ReadSegment(reader);
  position.body = reader.Fixed32();
  position.chunk = reader.Fixed32();
  if (!reader.Complete()) return Misshapen("body", key);
  return position;
}

absl::StatusOr<LegPosition> DecodeRecipientKey(std::string_view key) {
  OctetReader reader(key);
  LegPosition position;
  position.segment = ReadSegment(reader);
  position.seq = Seq(reader.Fixed32());
  position.leg = reader.Fixed32();
  if (!reader.Complete()) return Misshapen("recipient", key);
  return position;
}

std::string EndOfPrefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace fermo::spool
