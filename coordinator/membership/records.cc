#include "coordinator/membership/records.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "fmt/format.h"

namespace fermo::coordinator {
namespace {

using Json = nlohmann::json;

absl::Status Damaged(const KeyValue& stored, std::string_view problem) {
  return absl::DataLossError(
      fmt::format("the control store's key {} is damaged: {}", stored.key, problem));
}

// Reads members of one JSON object; the first problem stays.
class ObjectReader {
 public:
  explicit ObjectReader(std::string_view text)
      : object_(Json::parse(text, nullptr, /*allow_exceptions=*/false)) {
    if (!object_.is_object()) problem_ = "not a JSON object";
  }

  std::string Text(const char* name) {
    const Json* found = Find(name);
    if (found && !found->is_string()) problem_ = fmt::format("{} is not a string", name);
    return found && found->is_string() ? found->get<std::string>() : std::string();
  }

  int64_t Number(const char* name, int64_t low, int64_t high) {
    const Json* found = Find(name);
    if (!found) return low;
    const bool usable =
        found->is_number_integer() && found->get<int64_t>() >= low && found->get<int64_t>() <= high;
    if (!usable) problem_ = fmt::format("{} is not a number in {}..{}", name, low, high);
    return usable ? found->get<int64_t>() : low;
  }

  // Of records that older versions wrote without it: false.
  bool FlagIfThere(const char* name) {
    const Json* found = FindIfThere(name);
    if (!found) return false;
    if (!found->is_boolean()) problem_ = fmt::format("{} is not true or false", name);
    return found->is_boolean() && found->get<bool>();
  }

  // Of records that older versions wrote without it: none.
  std::vector<std::string> TextsIfThere(const char* name) {
    std::vector<std::string> texts;
    const Json* found = FindIfThere(name);
    if (!found) return texts;
    const bool usable =
        found->is_array() &&
        std::all_of(found->begin(), found->end(), [](const Json& e) { return e.is_string(); });
    if (!usable) {
      problem_ = fmt::format("{} is not a list of strings", name);
      return texts;
    }
    for (const Json& element : *found) texts.push_back(element.get<std::string>());
    return texts;
  }

  const std::string& problem() const { return problem_; }

 private:
  const Json* FindIfThere(const char* name) {
    if (!object_.is_object()) return nullptr;
    const auto it = object_.find(name);
    return it == object_.end() ? nullptr : &*it;
  }

  const Json* Find(const char* name) {
    const Json* found = FindIfThere(name);
    if (!found && object_.is_object()) problem_ = fmt::format("{} is missing", name);
    return found;
  }

  Json object_;
  std::string problem_;
};

absl::StatusOr<NodeId> NodeFromKey(const KeyValue& stored, std::string_view prefix) {
  if (!stored.key.starts_with(prefix)) return Damaged(stored, "not under its prefix");
  auto node = ParseNodeId(std::string_view(stored.key).substr(prefix.size()));
  if (!node.ok()) return Damaged(stored, "its name is not a node id");
  return node;
}

}  // namespace

bool MemberRecord::SameAs(const MemberRecord& other) const {
  return node == other.node && name == other.name && region == other.region &&
         address == other.address && http_address == other.http_address;
}

std::string MemberKey(NodeId node) { return fmt::format("{}{}", kMemberPrefix, ToString(node)); }
std::string DomainKey(std::string_view name) { return fmt::format("{}{}", kDomainPrefix, name); }
std::string EvictedKey(NodeId node) { return fmt::format("{}{}", kEvictedPrefix, ToString(node)); }

std::string EncodeCluster(std::string_view uuid, WallTime created) {
  Json object;
  object["uuid"] = std::string(uuid);
  object["created_millis"] = created.time_since_epoch().count();
  return object.dump();
}

std::string EncodeGeneration(uint64_t generation) { return std::to_string(generation); }

std::string EncodeMember(const MemberRecord& member) {
  Json object;
  object["name"] = member.name;
  object["region"] = member.region;
  object["address"] = member.address;
  object["http_address"] = member.http_address;
  object["draining"] = member.draining;
  return object.dump();
}

std::string EncodeDomain(const DomainRecord& domain) {
  Json object;
  object["primary_host"] = domain.primary.host;
  object["primary_port"] = domain.primary.port;
  object["regions"] = domain.regions;
  object["created_millis"] = domain.created.time_since_epoch().count();
  return object.dump();
}

absl::StatusOr<std::string> DecodeCluster(const KeyValue& stored) {
  ObjectReader reader(stored.value);
  std::string uuid = reader.Text("uuid");
  if (!reader.problem().empty()) return Damaged(stored, reader.problem());
  if (uuid.empty()) return Damaged(stored, "uuid is empty");
  return uuid;
}

absl::StatusOr<uint64_t> DecodeGeneration(const KeyValue& stored) {
  uint64_t generation = 0;
  const char* end = stored.value.data() + stored.value.size();
  const auto [stop, error] = std::from_chars(stored.value.data(), end, generation);
  if (error != std::errc() || stop != end) return Damaged(stored, "not a number");
  return generation;
}

absl::StatusOr<MemberRecord> DecodeMember(const KeyValue& stored) {
  absl::StatusOr<NodeId> node = NodeFromKey(stored, kMemberPrefix);
  if (!node.ok()) return node.status();
  ObjectReader reader(stored.value);
  MemberRecord member;
  member.node = *node;
  member.name = reader.Text("name");
  member.region = reader.Text("region");
  member.address = reader.Text("address");
  member.http_address = reader.Text("http_address");
  member.draining = reader.FlagIfThere("draining");
  member.revision = stored.mod_revision;
  if (!reader.problem().empty()) return Damaged(stored, reader.problem());
  return member;
}

absl::StatusOr<DomainRecord> DecodeDomain(const KeyValue& stored) {
  if (!stored.key.starts_with(kDomainPrefix)) return Damaged(stored, "not under its prefix");
  ObjectReader reader(stored.value);
  DomainRecord domain;
  domain.name = stored.key.substr(kDomainPrefix.size());
  domain.primary.host = reader.Text("primary_host");
  domain.primary.port = static_cast<uint16_t>(reader.Number("primary_port", 1, 65535));
  domain.created = WallTime(std::chrono::milliseconds(
      reader.Number("created_millis", 0, std::numeric_limits<int64_t>::max())));
  domain.regions = reader.TextsIfThere("regions");
  domain.revision = stored.mod_revision;
  if (!reader.problem().empty()) return Damaged(stored, reader.problem());
  return domain;
}

absl::StatusOr<NodeId> DecodeEvicted(const KeyValue& stored) {
  return NodeFromKey(stored, kEvictedPrefix);
}

}  // namespace fermo::coordinator
