#include "lib/base/config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/atomic_file.h"
#include "lib/base/yaml_tree.h"

namespace fermo {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using internal::ConfigProblem;
using internal::JoinPath;
using internal::YamlEntry;
using internal::YamlNode;

// A file that is wrong from end to end does not need all of it said.
constexpr size_t kMaxProblems = 50;

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string UnknownKey(const Descriptor& type, std::string_view key) {
  std::string best;
  size_t best_distance = 3;
  if (key.size() > 64) return "unknown key";
  for (int i = 0; i < type.field_count(); ++i) {
    const size_t distance = EditDistance(key, type.field(i)->name());
    if (distance < best_distance && distance < key.size()) {
      best_distance = distance;
      best = type.field(i)->name();
    }
  }
  return best.empty() ? "unknown key" : absl::StrCat("unknown key; did you mean ", best, "?");
}

// Fills a message from a tree, noting lines and problems as it goes.
class SchemaReader {
 public:
  SchemaReader(ConfigSource* source, std::vector<ConfigProblem>* problems)
      : source_(*source), problems_(*problems) {}

  void ReadMap(const YamlNode& node, const std::string& path, Message* out) {
    if (!Expect(node, YamlNode::Kind::kMap, path, "must be a block of keys and values")) return;
    for (const YamlEntry& entry : node.entries) {
      const std::string entry_path = JoinPath(path, entry.key);
      source_.Note(entry_path, entry.line);
      const FieldDescriptor* field = out->GetDescriptor()->FindFieldByName(entry.key);
      if (field == nullptr) {
        Problem(entry.line, entry_path, UnknownKey(*out->GetDescriptor(), entry.key));
      } else {
        CheckOneof(*field, entry, entry_path, *out);
        ReadField(*field, entry.value, entry_path, out);
      }
    }
  }

 private:
  void Problem(int line, const std::string& path, std::string text) {
    problems_.push_back({line, path, std::move(text)});
  }

  bool Expect(const YamlNode& node, YamlNode::Kind kind, const std::string& path,
              const char* rule) {
    if (node.kind == kind) return true;
    if (node.kind == YamlNode::Kind::kNull) {
      Problem(node.line, path, "has no value");
    } else if (node.kind != YamlNode::Kind::kRefused) {
      Problem(node.line, path, rule);
    }
    return false;
  }

  void CheckOneof(const FieldDescriptor& field, const YamlEntry& entry, const std::string& path,
                  const Message& out) {
    const auto* group = field.real_containing_oneof();
    if (group == nullptr || !out.GetReflection()->HasOneof(out, group)) return;
    const FieldDescriptor* other = out.GetReflection()->GetOneofFieldDescriptor(out, group);
    Problem(entry.line, path, absl::StrCat("cannot be given together with ", other->name()));
  }

  void ReadField(const FieldDescriptor& field, const YamlNode& node, const std::string& path,
                 Message* out) {
    const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field.is_map()) {
      ReadMapField(field, node, path, out);
    } else if (field.is_repeated()) {
      if (!Expect(node, YamlNode::Kind::kList, path, "must be a list")) return;
      for (size_t i = 0; i < node.items.size(); ++i) {
        const std::string item_path = JoinPath(path, i);
        source_.Note(item_path, node.items[i].line);
        if (is_message) {
          ReadMap(node.items[i], item_path, out->GetReflection()->AddMessage(out, &field));
        } else {
          ReadScalar(field, node.items[i], item_path, out);
        }
      }
    } else if (is_message) {
      ReadMap(node, path, out->GetReflection()->MutableMessage(out, &field));
    } else {
      ReadScalar(field, node, path, out);
    }
  }

  // map<string, T>: the keys are the user's own.
  void ReadMapField(const FieldDescriptor& field, const YamlNode& node, const std::string& path,
                    Message* out) {
    if (!Expect(node, YamlNode::Kind::kMap, path, "must be a block of keys and values")) return;
    for (const YamlEntry& entry : node.entries) {
      const std::string entry_path = JoinPath(path, entry.key);
      source_.Note(entry_path, entry.line);
      Message* pair = out->GetReflection()->AddMessage(out, &field);
      YamlNode key;
      key.kind = YamlNode::Kind::kScalar;
      key.line = entry.line;
      key.text = entry.key;
      ReadScalar(*field.message_type()->map_key(), key, entry_path, pair);
      ReadField(*field.message_type()->map_value(), entry.value, entry_path, pair);
    }
  }

  void ReadScalar(const FieldDescriptor& field, const YamlNode& node, const std::string& path,
                  Message* out) {
    if (!Expect(node, YamlNode::Kind::kScalar, path, "must be a single value")) return;
    const std::string problem = StoreScalar(field, node, out);
    if (!problem.empty()) Problem(node.line, path, problem);
  }

  // Sets or adds the value; returns what is wrong with it, or nothing.
  std::string StoreScalar(const FieldDescriptor& field, const YamlNode& node, Message* out);

  ConfigSource& source_;
  std::vector<ConfigProblem>& problems_;
};

template <class Number>
std::string ParseNumber(const YamlNode& node, Number* value) {
  const char* end = node.text.data() + node.text.size();
  const auto [stop, error] = std::from_chars(node.text.data(), end, *value);
  if (!node.quoted && error == std::errc() && stop == end) return "";
  if constexpr (std::is_floating_point_v<Number>) {
    return "must be a number";
  } else {
    return absl::StrCat("must be a whole number from ", std::numeric_limits<Number>::min(), " to ",
                        std::numeric_limits<Number>::max());
  }
}

std::string SchemaReader::StoreScalar(const FieldDescriptor& field, const YamlNode& node,
                                      Message* out) {
  const Reflection& reflection = *out->GetReflection();
  const bool add = field.is_repeated();
  // One case for each kind of number: parse, then Set or Add of that type.
  const auto number = [&](auto value, auto set, auto append) -> std::string {
    std::string problem = ParseNumber(node, &value);
    if (problem.empty()) (reflection.*(add ? append : set))(out, &field, value);
    return problem;
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return number(int32_t{}, &Reflection::SetInt32, &Reflection::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return number(int64_t{}, &Reflection::SetInt64, &Reflection::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return number(uint32_t{}, &Reflection::SetUInt32, &Reflection::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return number(uint64_t{}, &Reflection::SetUInt64, &Reflection::AddUInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return number(double{}, &Reflection::SetDouble, &Reflection::AddDouble);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return number(float{}, &Reflection::SetFloat, &Reflection::AddFloat);
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (node.quoted || (node.text != "true" && node.text != "false")) {
        return "must be true or false";
      }
      const auto set = add ? &Reflection::AddBool : &Reflection::SetBool;
      (reflection.*set)(out, &field, node.text == "true");
      return "";
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* value = field.enum_type()->FindValueByName(node.text);
      if (value == nullptr) {
        std::vector<std::string> names;
        for (int i = 0; i < field.enum_type()->value_count(); ++i) {
          names.push_back(field.enum_type()->value(i)->name());
        }
        return absl::StrCat("must be one of ", absl::StrJoin(names, ", "));
      }
      const auto set = add ? &Reflection::AddEnum : &Reflection::SetEnum;
      (reflection.*set)(out, &field, value);
      return "";
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (add) {
        reflection.AddString(out, &field, node.text);
      } else {
        reflection.SetString(out, &field, node.text);
      }
      return "";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "must be a block of keys and values";
}

absl::Status Report(const ConfigSource& source, std::vector<ConfigProblem> problems) {
  if (problems.empty()) return absl::OkStatus();
  std::stable_sort(problems.begin(), problems.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
  std::vector<std::string> lines;
  for (const ConfigProblem& problem : problems) {
    if (lines.size() == kMaxProblems) {
      lines.push_back(
          absl::StrCat(source.file(), ": and ", problems.size() - kMaxProblems, " more problems"));
      break;
    }
    const std::string path = problem.path.empty() ? "" : absl::StrCat(problem.path, ": ");
    lines.push_back(absl::StrCat(source.file(), ":", problem.line, ": ", path, problem.text));
  }
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

}  // namespace

absl::Status LoadYaml(const std::string& file, Message* out, ConfigSource* source) {
  const absl::StatusOr<std::string> text = ReadFile(file, kMaxConfigSize);
  if (!text.ok()) return text.status();
  return ParseYaml(*text, file, out, source);
}

absl::Status ParseYaml(std::string_view text, const std::string& file, Message* out,
                       ConfigSource* source) {
  ConfigSource local(file);
  if (source == nullptr) source = &local;
  *source = ConfigSource(file);
  out->Clear();
  if (text.size() > kMaxConfigSize) {
    return absl::ResourceExhaustedError(
        absl::StrCat(file, ": is larger than ", kMaxConfigSize, " octets"));
  }
  std::vector<ConfigProblem> problems;
  const std::optional<YamlNode> root = internal::ParseYamlTree(text, &problems);
  if (!root) return Report(*source, std::move(problems));
  if (root->kind == YamlNode::Kind::kNull && problems.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": is empty"));
  }
  SchemaReader(source, &problems).ReadMap(*root, "", out);
  return Report(*source, std::move(problems));
}

}  // namespace fermo
