// A schema of every kind of field, for the configuration tests: made at run time,
// so that they depend on no program's configuration.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

#include <memory>
#include <string>

namespace fermo::test {

class ConfigSchema {
 public:
  ConfigSchema();
  // An empty message of the type Config; must not outlive this.
  std::unique_ptr<google::protobuf::Message> New() const;

 private:
  google::protobuf::DescriptorPool pool_;
  mutable google::protobuf::DynamicMessageFactory factory_;
  const google::protobuf::Message* prototype_;
};

}  // namespace fermo::test
