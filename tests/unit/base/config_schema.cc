#include "tests/unit/base/config_schema.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>

#include "gtest/gtest.h"

namespace fermo::test {
namespace {

// A FileDescriptorProto: Debian keeps the parser of .proto text in another package.
constexpr char kFile[] = R"(
name: "config_schema.proto" syntax: "proto3"
message_type { name: "Config"
  field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "insecure" number: 2 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "copies" number: 3 type: TYPE_UINT32 label: LABEL_OPTIONAL }
  field { name: "offset" number: 4 type: TYPE_INT64 label: LABEL_OPTIONAL }
  field { name: "ratio" number: 5 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
  field { name: "color" number: 6 type: TYPE_ENUM label: LABEL_OPTIONAL type_name: "Color" }
  field { name: "inner" number: 7 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: "Inner" }
  field { name: "servers" number: 8 type: TYPE_STRING label: LABEL_REPEATED }
  field { name: "ports" number: 9 type: TYPE_UINT32 label: LABEL_REPEATED }
  field { name: "inners" number: 10 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: "Inner" }
  field { name: "weights" number: 11 type: TYPE_MESSAGE label: LABEL_REPEATED
          type_name: "Config.WeightsEntry" }
  field { name: "parts" number: 12 type: TYPE_MESSAGE label: LABEL_REPEATED
          type_name: "Config.PartsEntry" }
  field { name: "etcd" number: 13 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "embedded" number: 14 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "small" number: 15 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "large" number: 16 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "part" number: 17 type: TYPE_FLOAT label: LABEL_OPTIONAL }
  field { name: "raw" number: 18 type: TYPE_BYTES label: LABEL_OPTIONAL }
  field { name: "flags" number: 19 type: TYPE_BOOL label: LABEL_REPEATED }
  field { name: "colors" number: 20 type: TYPE_ENUM label: LABEL_REPEATED type_name: "Color" }
  nested_type { name: "WeightsEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_UINT32 label: LABEL_OPTIONAL }
  }
  nested_type { name: "PartsEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: "Inner" }
  }
  oneof_decl { name: "store" }
}
message_type { name: "Inner"
  field { name: "level" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "count" number: 2 type: TYPE_UINT32 label: LABEL_OPTIONAL }
  field { name: "deeper" number: 3 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: "Inner" }
}
enum_type { name: "Color" value { name: "RED" number: 0 } value { name: "BLUE" number: 1 } }
)";

}  // namespace

ConfigSchema::ConfigSchema() : factory_(&pool_) {
  google::protobuf::FileDescriptorProto file;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kFile, &file));
  EXPECT_NE(pool_.BuildFile(file), nullptr);
  prototype_ = factory_.GetPrototype(pool_.FindMessageTypeByName("Config"));
}

std::unique_ptr<google::protobuf::Message> ConfigSchema::New() const {
  return std::unique_ptr<google::protobuf::Message>(prototype_->New());
}

}  // namespace fermo::test
