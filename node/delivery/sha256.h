// SHA-256 of content that passes by in pieces.
//
// One owner, no threads. Aborts if OpenSSL has no SHA-256.
#pragma once

#include <memory>
#include <string_view>

#include "lib/spool/record.h"

namespace fermo::node {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Update(std::string_view octets);
  // Once, after the last Update.
  spool::Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fermo::node
