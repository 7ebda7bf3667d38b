// Goes through the books of the segments that this node owns, page by page.
//
// Ownership: owns a thread for its reads, so that nobody else's wait behind an
// audit; store and `plan` outlive it. Threading: Page runs on any one executor,
// on which `plan` is called; the disk is read on the own thread, a slice at a
// time. Destroy it while the askers' executor still exists. Failure: a segment
// that the disk does not give is named with the reason and passed over; Page
// fails only when the list of segments can't be read.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/net/asio.h"
#include "node/operations/segment_audit.h"
#include "node/store/spool_store.h"

namespace fermo::node {

class Auditor {
 public:
  // The plan of a segment that is owned here and not closed; else none.
  using Plan = std::function<std::optional<AuditPlan>(const SegmentId&)>;

  Auditor(SpoolStore& store, Plan plan) : store_(store), plan_(std::move(plan)), pool_(1) {}
  ~Auditor() { pool_.join(); }

  struct Position {
    SegmentId segment;
    uint32_t seq = 0;
  };
  struct Limits {
    Duration time = std::chrono::milliseconds(500);
    // Reached by a segment and then by the last one: twice as many names of full
    // length still fit into an answer.
    size_t domains = 4096;
    size_t segments = 500;
    // Of a slice, which is read in one go.
    size_t slots = 1024;
    size_t legs = 65536;
  };
  struct Part {
    SegmentId segment;
    absl::Status status;    // why it can't be audited
    bool complete = false;  // up to its end
    SegmentBooks books;
  };
  struct Result {
    std::vector<Part> parts;
    std::optional<Position> next;  // none: that was all
  };

  // From `from` on until a limit is reached; the next page goes on at `next`. A
  // segment that is lost or closed meanwhile is left out, or stays incomplete.
  net::Awaitable<absl::StatusOr<Result>> Page(Position from, std::string domain, Limits limits) {
    return Run(this, from, std::move(domain), limits);
  }

 private:
  static net::Awaitable<absl::StatusOr<Result>> Run(Auditor* self, Position from,
                                                    std::string domain, Limits limits);
  // False when the segment is no longer ours to audit.
  static net::Awaitable<bool> Audit(Auditor* self, Part* part, Limits limits, Instant until);
  net::Awaitable<absl::StatusOr<std::vector<SegmentId>>> List(SegmentId from);
  net::Awaitable<absl::StatusOr<bool>> ReadSlice(Part* part, Limits limits, bool first);
  absl::StatusOr<bool> ReadNow(Part& part, const Limits& limits);
  absl::Status AwaitWrites();

  SpoolStore& store_;
  const Plan plan_;
  net::asio::thread_pool pool_;
};

}  // namespace fermo::node
