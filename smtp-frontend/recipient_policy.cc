#include "smtp-frontend/recipient_policy.h"

namespace fermo::frontend {

std::optional<smtp::Reply> RecipientPolicy::Refuse(const smtp::Path& forward_path,
                                                   const std::vector<std::string>& taken) const {
  if (!snapshot_) {
    return smtp::MakeReply(451, {4, 3, 0}, "No domains known here yet, please try again");
  }
  if (const cluster::Domain* domain = snapshot_->FindDomain(forward_path.domain)) {
    const auto regions = snapshot_->RegionsFor(taken);
    const bool fits = taken.empty() || (regions.ok() && *regions == domain->regions);
    if (fits) return std::nullopt;
    return smtp::MakeReply(452, {4, 5, 3}, "Not in one transaction with the others, send it again");
  }
  return smtp::MakeReply(550, {5, 7, 1}, "Relaying denied: no mail for this domain here");
}

}  // namespace fermo::frontend
