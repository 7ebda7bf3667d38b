// One set of books from the pages of all nodes: each segment once, whole or not
// at all, and the names of those that are in nobody's books.
//
// Pure; not thread-safe. No failure: what nodes say that makes no sense is left
// out.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fermoposta/v1/node_operations.pb.h"
#include "fermoposta/v1/operations.pb.h"
#include "lib/base/ids.h"

namespace fermo::coordinator {

class AuditMerge {
 public:
  static constexpr size_t kMaxListed = 100;  // gaps, and segments without books

  // What a node keeps, as it said before its first page and after its last. A
  // segment that nobody audited counts if it was there both times: others have
  // been opened or closed meanwhile.
  void Before(const std::string& node, const fermoposta::v1::NodeStatus& status);
  void After(const std::string& node, const fermoposta::v1::NodeStatus& status);
  // The pages of a node, in their order.
  void Take(const std::string& node, const fermoposta::v1::AuditOwnedSegmentsResponse& page);
  // Not all segments that the node owns are in its pages.
  void NotAudited(const std::string& node, const std::string& reason);

  void Fill(fermoposta::v1::AuditResponse* response) const;

 private:
  struct Books {
    std::map<std::string, fermoposta::v1::AuditCounts> domains;
    std::vector<fermoposta::v1::AuditGap> gaps;
    uint64_t gaps_left_off = 0;
    uint64_t in_flight = 0;

    void Add(const Books& more);
  };
  struct Begun {  // of a node, cut off by the end of a page
    SegmentId segment;
    Books books;
  };
  struct Held {
    bool before = false;
    bool after = false;
    std::string owner;  // a node's name; empty: none of those that answer
    std::vector<std::string> holders;
    uint64_t messages = 0;
  };
  static Books ToBooks(const SegmentId& segment, const fermoposta::v1::SegmentAudit& audit);
  void FillUnaudited(fermoposta::v1::AuditResponse* response) const;

  Books total_;
  std::map<SegmentId, std::string> doubts_;  // of those that are in the books
  std::set<SegmentId> audited_;
  std::map<std::string, Begun> begun_;       // by node
  std::map<SegmentId, std::string> errors_;  // why a segment could not be audited
  std::map<SegmentId, Held> held_;
  std::map<std::string, std::string> reasons_;  // by node, why it was not audited
};

}  // namespace fermo::coordinator
