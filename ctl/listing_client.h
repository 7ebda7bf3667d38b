// Goes through the pages of a listing: one, or all with --all, printed page by
// page, so that a long list needs no memory.
//
// Failure: the first page that fails ends the listing with its status.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "ctl/json_client.h"
#include "ctl/session_client.h"
#include "ctl/table.h"
#include "fmt/format.h"

namespace fermo::ctl {

struct PageOptions {
  uint32_t limit = 100;
  std::string token;
  bool all = false;
};

// `list`: the response's first field, as JSON names it; `elements`: gives it;
// `tabulate`: adds it to a table.
template <class Response, class Element>
struct Listing {
  std::string list;
  Table table;
  std::function<absl::Status(const std::string& token, Response*)> fetch;
  std::function<const google::protobuf::RepeatedPtrField<Element>&(const Response&)> elements;
  std::function<void(const Element&, Table*)> tabulate;
  std::function<void(Response*)> clear_elements;
  std::string empty;  // said instead of an empty table
};

template <class Response, class Element>
absl::Status PrintPages(Session& session, const PageOptions& page,
                        const Listing<Response, Element>& listing,
                        std::function<void(const Response&)> remark = {}) {
  std::string token = page.token;
  bool first = true;
  std::optional<JsonList> json;
  Response response;
  do {
    response.Clear();
    absl::Status status = listing.fetch(token, &response);
    if (!status.ok()) return status;
    if (session.json() && !json) json.emplace(session.out(), listing.list);
    Table table = listing.table;
    for (const Element& element : listing.elements(response)) {
      if (json) {
        json->Add(element);
      } else {
        listing.tabulate(element, &table);
      }
    }
    if (!table.empty()) session.out() << table.Render(session.width(), std::exchange(first, false));
    if (remark) remark(response);
    token = response.next_page_token();
  } while (page.all && !token.empty());
  if (json) {
    listing.clear_elements(&response);
    json->End(response);
    return absl::OkStatus();
  }
  if (first) session.out() << listing.empty << "\n";
  if (!token.empty()) {
    session.Warn(
        fmt::format("more follow: --page-token {} for the next page, --all for all", token));
  }
  return absl::OkStatus();
}

}  // namespace fermo::ctl
