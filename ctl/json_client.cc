#include "ctl/json_client.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "fmt/format.h"

namespace fermo::ctl {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

void HexIds(const Descriptor& type, Json* object);

void HexField(const FieldDescriptor& field, Json* value) {
  if (field.type() == FieldDescriptor::TYPE_MESSAGE) {
    HexIds(*field.message_type(), value);
  } else if (field.type() == FieldDescriptor::TYPE_FIXED64 && value->is_string()) {
    *value = fmt::format("{:016x}", std::strtoull(value->get<std::string>().c_str(), nullptr, 10));
  }
}

// Replaces the decimal node ids in an object of this type.
void HexIds(const Descriptor& type, Json* object) {
  if (!object->is_object()) return;
  for (auto& [name, value] : object->items()) {
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (!field) continue;
    if (!value.is_array()) {
      HexField(*field, &value);
      continue;
    }
    for (Json& element : value) HexField(*field, &element);
  }
}

Json ToTree(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) std::abort();
  Json tree = Json::parse(text);
  HexIds(*message.GetDescriptor(), &tree);
  return tree;
}

// The mapping has only UTF-8 texts; what came otherwise is replaced.
std::string Dump(const Json& tree) {
  return tree.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  return Dump(ToTree(message)) + "\n";
}

JsonList::JsonList(std::ostream& out, std::string name) : out_(out), name_(std::move(name)) {
  out_ << "{\n\"" << name_ << "\": [";
}

void JsonList::Add(const google::protobuf::Message& element) {
  out_ << (std::exchange(first_, false) ? "\n" : ",\n") << Dump(ToTree(element));
}

void JsonList::End(const google::protobuf::Message& rest) {
  out_ << "]";
  const Json tree = ToTree(rest);  // named: items() refers to it
  for (const auto& [name, value] : tree.items()) {
    if (name != name_) out_ << ",\n" << Json(name).dump() << ": " << Dump(value);
  }
  out_ << "\n}\n";
}

}  // namespace fermo::ctl
