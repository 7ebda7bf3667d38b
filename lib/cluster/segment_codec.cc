#include "lib/cluster/segment_codec.h"

#include "absl/status/status.h"
#include "fmt/format.h"
#include "lib/base/octet_codec.h"

namespace fermo::cluster {
namespace {

constexpr uint8_t kVersion = 2;
constexpr size_t kMaxText = 255;
constexpr uint8_t kSealed = 1;
constexpr uint8_t kClosed = 2;

void WriteNodes(const std::vector<NodeId>& nodes, OctetWriter& writer) {
  writer.Varint(nodes.size());
  for (NodeId node : nodes) writer.Fixed64(node.value());
}

std::vector<NodeId> ReadNodes(OctetReader& reader) {
  // No more nodes than there are octets left for.
  uint64_t count = reader.Varint(reader.left() / 8);
  std::vector<NodeId> nodes;
  for (uint64_t i = 0; i < count && !reader.failed(); ++i) nodes.emplace_back(reader.Fixed64());
  return nodes;
}

void WriteTexts(const std::vector<std::string>& texts, OctetWriter& writer) {
  writer.Varint(texts.size());
  for (const std::string& text : texts) writer.Text(text);
}

std::vector<std::string> ReadTexts(OctetReader& reader) {
  uint64_t count = reader.Varint(reader.left());
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < count && !reader.failed(); ++i)
    texts.emplace_back(reader.Text(kMaxText));
  return texts;
}

void WriteRanges(const std::vector<uint32_t>& bounds, OctetWriter& writer) {
  writer.Varint(bounds.size());
  for (uint32_t bound : bounds) writer.Varint(bound);
}

std::vector<uint32_t> ReadRanges(OctetReader& reader) {
  uint64_t count = reader.Varint(reader.left());
  if (count % 2 != 0) reader.Fail();
  std::vector<uint32_t> bounds;
  for (uint64_t i = 0; i < count && !reader.failed(); ++i) {
    uint32_t bound = reader.Varint32();
    if (!bounds.empty() && bound <= bounds.back()) reader.Fail();
    bounds.push_back(bound);
  }
  return bounds;
}

void WriteRecord(const SegmentRecord& record, OctetWriter& writer) {
  writer.Fixed64(record.id.writer.value());
  writer.Varint(record.id.boot);
  writer.Varint(record.id.number);
  WriteNodes(record.holders, writer);
  writer.Varint(record.list_version);
  WriteNodes(record.former_holders, writer);
  writer.Varint(record.write_copies);
  writer.Varint(record.min_regions);
  writer.Varint(record.epoch.value());
  writer.Fixed64(record.owner.value());
  WriteNodes(record.next_holders, writer);
  writer.Varint(record.next_epoch.value());
  WriteTexts(record.regions, writer);
}

SegmentRecord ReadRecord(OctetReader& reader) {
  SegmentRecord record;
  record.id.writer = NodeId(reader.Fixed64());
  record.id.boot = reader.Varint32();
  record.id.number = reader.Varint32();
  record.holders = ReadNodes(reader);
  record.list_version = reader.Varint32();
  record.former_holders = ReadNodes(reader);
  record.write_copies = reader.Varint32();
  record.min_regions = reader.Varint32();
  record.epoch = Epoch(reader.Varint());
  record.owner = NodeId(reader.Fixed64());
  record.next_holders = ReadNodes(reader);
  record.next_epoch = Epoch(reader.Varint());
  record.regions = ReadTexts(reader);
  return record;
}

}  // namespace

std::string Encode(const StoredSegment& segment) {
  OctetWriter writer;
  writer.Octet(kVersion);
  writer.Octet((segment.record.sealed ? kSealed : 0) | (segment.closed ? kClosed : 0));
  WriteRecord(segment.record, writer);
  writer.Varint(segment.promised.value());
  writer.Fixed64(segment.promised_to.value());
  WriteRanges(segment.finished_ranges, writer);
  WriteRanges(segment.aborted_ranges, writer);
  return writer.TakeChecked();
}

absl::StatusOr<StoredSegment> DecodeStoredSegment(std::string_view octets) {
  if (!octets.empty() && static_cast<uint8_t>(octets[0]) != kVersion) {
    return absl::DataLossError(
        fmt::format("segment record has version {}, which this program does not know",
                    static_cast<unsigned>(static_cast<uint8_t>(octets[0]))));
  }
  auto payload = VerifyChecked(octets, "segment record");
  if (!payload.ok()) return payload.status();
  OctetReader reader(*payload);
  reader.Octet();
  uint8_t flags = reader.Octet();
  if (flags > (kSealed | kClosed)) reader.Fail();
  StoredSegment segment;
  segment.record = ReadRecord(reader);
  segment.record.sealed = (flags & kSealed) != 0;
  segment.closed = (flags & kClosed) != 0;
  segment.promised = Epoch(reader.Varint());
  segment.promised_to = NodeId(reader.Fixed64());
  segment.finished_ranges = ReadRanges(reader);
  segment.aborted_ranges = ReadRanges(reader);
  if (!reader.Complete()) {
    return absl::DataLossError("segment record does not follow its format");
  }
  return segment;
}

}  // namespace fermo::cluster
