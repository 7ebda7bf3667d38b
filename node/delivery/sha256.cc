#include "node/delivery/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace fermo::node {
namespace {

void Check(int ok) {
  if (ok != 1) std::abort();
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  Check(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr));
}

Sha256::~Sha256() = default;

void Sha256::Update(std::string_view octets) {
  Check(EVP_DigestUpdate(state_->context, octets.data(), octets.size()));
}

spool::Digest Sha256::Finish() {
  spool::Digest digest{};
  Check(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr));
  return digest;
}

}  // namespace fermo::node
