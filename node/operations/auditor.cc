#include "node/operations/auditor.h"

#include <future>
#include <memory>

#include "node/delivery/run_on.h"

namespace fermo::node {

net::Awaitable<absl::StatusOr<Auditor::Result>> Auditor::Run(Auditor* self, Position from,
                                                             std::string domain, Limits limits) {
  const Instant until = BootClock::now() + limits.time;
  auto segments = co_await self->List(from.segment);
  if (!segments.ok()) co_return segments.status();
  Result result;
  size_t domains = 0;
  for (const SegmentId& id : *segments) {
    const uint32_t begin = id == from.segment ? from.seq : 0;
    const bool full = BootClock::now() >= until || domains >= limits.domains ||
                      result.parts.size() >= limits.segments;
    if (full && !result.parts.empty()) {
      result.next = Position{id, begin};
      break;
    }
    std::optional<AuditPlan> plan = self->plan_(id);
    if (!plan) continue;
    Part part{id, absl::OkStatus(), false, SegmentBooks(*std::move(plan), begin, domain)};
    const bool ours = co_await Audit(self, &part, limits, until);
    if (!ours) continue;
    domains += part.books.domains().size();
    const bool cut_short = part.status.ok() && !part.complete;
    if (cut_short) result.next = Position{id, part.books.next()};
    result.parts.push_back(std::move(part));
    if (cut_short) break;
  }
  co_return result;
}

net::Awaitable<bool> Auditor::Audit(Auditor* self, Part* part, Limits limits, Instant until) {
  bool first = true;
  while (true) {
    auto complete = co_await self->ReadSlice(part, limits, std::exchange(first, false));
    // Closing deletes what was just read; that it has not begun yet says that all
    // was there to be read.
    if (!self->plan_(part->segment)) co_return false;
    if (!complete.ok()) {
      part->status = complete.status();
      co_return true;
    }
    part->complete = *complete;
    if (part->complete || BootClock::now() >= until) co_return true;
    if (part->books.domains().size() >= limits.domains) co_return true;
  }
}

// All that the disk knows of, whoever owns them: the machine has no list.
net::Awaitable<absl::StatusOr<std::vector<SegmentId>>> Auditor::List(SegmentId from) {
  return RunOn<std::vector<SegmentId>>(
      pool_, [this, from]() -> absl::StatusOr<std::vector<SegmentId>> {
        std::vector<SegmentId> segments;
        absl::Status written = AwaitWrites();
        if (!written.ok()) return written;
        absl::Status scanned = store_.ScanSegments([&](const SegmentId& id, std::string_view) {
          if (id >= from) segments.push_back(id);
          return true;
        });
        if (!scanned.ok()) return scanned;
        return segments;
      });
}

// The part is the reading thread's until the answer is there.
net::Awaitable<absl::StatusOr<bool>> Auditor::ReadSlice(Part* part, Limits limits, bool first) {
  return RunOn<bool>(pool_, [this, part, limits, first]() -> absl::StatusOr<bool> {
    if (first) {
      absl::Status written = AwaitWrites();
      if (!written.ok()) return written;
    }
    return ReadNow(*part, limits);
  });
}

// True when the segment's end is reached.
absl::StatusOr<bool> Auditor::ReadNow(Part& part, const Limits& limits) {
  SegmentBooks& books = part.books;
  const uint32_t end = books.plan().end;
  if (books.next() >= end) return true;
  size_t slots = 0;
  size_t legs = 0;
  bool full = false;
  absl::Status scanned =
      store_.ScanForAudit(part.segment, Seq(books.next()), Seq(end), [&](const AuditedSlot& slot) {
        books.Take(slot);
        ++slots;
        legs += slot.legs.size();
        full = slots >= limits.slots || legs >= limits.legs ||
               books.domains().size() >= limits.domains;
        return !full;
      });
  if (!scanned.ok()) return scanned;
  if (!full) books.SkipTo(end);
  return books.next() >= end;
}

// What the plan calls given may still wait for the disk: aborts and marks are
// known to the machine when they are queued.
absl::Status Auditor::AwaitWrites() {
  auto written = std::make_shared<std::promise<absl::Status>>();
  store_.Write({}, spool::Durability::kUnsynced,
               [written](const absl::Status& status) { written->set_value(status); });
  return written->get_future().get();
}

}  // namespace fermo::node
