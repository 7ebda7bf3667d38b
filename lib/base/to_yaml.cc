// ToYaml: see config.h.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <vector>

#include "lib/base/config.h"
#include "yaml-cpp/yaml.h"

namespace fermo {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void EmitMessage(const Message& message, YAML::Emitter* out);

// One value of the field: the i-th of a repeated one, the only one if i < 0.
void EmitValue(const Message& message, const FieldDescriptor* field, int i, YAML::Emitter* out) {
  const Reflection& r = *message.GetReflection();
  const bool one = i < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      *out << (one ? r.GetInt32(message, field) : r.GetRepeatedInt32(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      *out << (one ? r.GetInt64(message, field) : r.GetRepeatedInt64(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      *out << (one ? r.GetUInt32(message, field) : r.GetRepeatedUInt32(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      *out << (one ? r.GetUInt64(message, field) : r.GetRepeatedUInt64(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      *out << (one ? r.GetDouble(message, field) : r.GetRepeatedDouble(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      *out << (one ? r.GetFloat(message, field) : r.GetRepeatedFloat(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      *out << (one ? r.GetBool(message, field) : r.GetRepeatedBool(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      *out << (one ? r.GetEnum(message, field) : r.GetRepeatedEnum(message, field, i))->name();
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      *out << YAML::DoubleQuoted
           << (one ? r.GetString(message, field) : r.GetRepeatedString(message, field, i));
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      EmitMessage(one ? r.GetMessage(message, field) : r.GetRepeatedMessage(message, field, i),
                  out);
      break;
  }
}

void EmitMapField(const Message& message, const FieldDescriptor* field, YAML::Emitter* out) {
  const Reflection& r = *message.GetReflection();
  *out << YAML::BeginMap;
  for (int i = 0; i < r.FieldSize(message, field); ++i) {
    const Message& pair = r.GetRepeatedMessage(message, field, i);
    *out << YAML::Key;
    EmitValue(pair, field->message_type()->map_key(), -1, out);
    *out << YAML::Value;
    EmitValue(pair, field->message_type()->map_value(), -1, out);
  }
  *out << YAML::EndMap;
}

void EmitMessage(const Message& message, YAML::Emitter* out) {
  const Reflection& r = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  r.ListFields(message, &fields);
  *out << YAML::BeginMap;
  for (const FieldDescriptor* field : fields) {
    *out << YAML::Key << field->name() << YAML::Value;
    if (field->is_map()) {
      EmitMapField(message, field, out);
    } else if (field->is_repeated()) {
      *out << YAML::BeginSeq;
      for (int i = 0; i < r.FieldSize(message, field); ++i) EmitValue(message, field, i, out);
      *out << YAML::EndSeq;
    } else {
      EmitValue(message, field, -1, out);
    }
  }
  *out << YAML::EndMap;
}

}  // namespace

std::string ToYaml(const Message& message) {
  YAML::Emitter out;
  EmitMessage(message, &out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace fermo
