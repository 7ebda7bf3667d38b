#include "smtp-frontend/recipient_policy.h"

namespace fermo::frontend {

std::optional<smtp::Reply> RecipientPolicy::Refuse(const smtp::Path& forward_path) const {
  if (!snapshot_) {
    return smtp::MakeReply(451, {4, 3, 0}, "No domains known here yet, please try again");
  }
  if (snapshot_->FindDomain(forward_path.domain) != nullptr) return std::nullopt;
  return smtp::MakeReply(550, {5, 7, 1}, "Relaying denied: no mail for this domain here");
}

}  // namespace fermo::frontend
