// Messages as JSON for scripts: protobuf's JSON mapping with the field names
// of the .proto files and all fields present, except that fixed64 fields,
// which are node ids, are 16 hex digits instead of decimal numbers.
//
// Pure; no failure: our own messages always have a JSON form.
#pragma once

#include <iosfwd>
#include <string>

namespace google::protobuf {
class Message;
}

namespace fermo::ctl {

// Indented, with a newline at the end.
std::string ToJson(const google::protobuf::Message& message);

// Writes a response whose first field is a list, element by element, so that a
// long listing needs no memory: {"messages": [...], <the other fields>}.
class JsonList {
 public:
  // `name`: of the list's field.
  JsonList(std::ostream& out, std::string name);
  void Add(const google::protobuf::Message& element);
  // `rest`: the response with an empty list.
  void End(const google::protobuf::Message& rest);

 private:
  std::ostream& out_;
  const std::string name_;
  bool first_ = true;
};

}  // namespace fermo::ctl
