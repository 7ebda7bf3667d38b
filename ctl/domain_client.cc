#include "ctl/domain_client.h"

#include <ostream>

#include "ctl/human.h"
#include "ctl/json_client.h"
#include "ctl/views_client.h"
#include "fmt/format.h"

namespace fermo::ctl {

namespace v1 = ::fermoposta::v1;
using Stub = Session::Stub;

namespace {

void PrintDomain(Session& session, const v1::GetDomainResponse& response) {
  const v1::Domain& domain = response.domain();
  std::ostream& out = session.out();
  out << "Domain:   " << domain.name() << "\n"
      << "Primary:  " << PrimaryOf(domain) << "\n"
      << "Regions:  " << RegionsOf(domain) << "\n"
      << "Added:    " << FormatMoment(FromMillis(domain.created_millis()), session.now()) << "\n"
      << "Waiting:  " << CountsLine(response.queue(), session.now()) << "\n";
  if (response.routes_size() == 0) {
    out << "No node has seen its primary yet.\n";
    return;
  }
  Table table({{"NODE", false, true}, {"REGION"}, {"PRIMARY IS"}, {"SINCE", true}, {"REASON"}});
  for (const v1::NodeRouteView& seen : response.routes()) {
    const v1::RouteView& route = seen.route();
    table.Add({Printable(seen.node()), Printable(seen.region()), Printable(route.state()),
               AgeOrDash(route.since_millis(), session.now()), Printable(route.reason())});
  }
  out << table.Render(session.width());
}

}  // namespace

absl::Status DomainAdd(Session& session, const std::string& name, const std::string& primary,
                       const std::vector<std::string>& regions) {
  v1::AddDomainRequest request;
  request.set_name(name);
  request.set_primary(primary);
  for (const std::string& region : regions) request.add_regions(region);
  v1::AddDomainResponse response;
  absl::Status status = session.Call(&Stub::AddDomain, request, &response);
  if (!status.ok()) return status;
  if (session.json()) {
    session.out() << ToJson(response);
  } else {
    session.out() << fmt::format(
        "{} added with primary {}; in force on {} of {} connected "
        "processes.\n",
        response.domain().name(), PrimaryOf(response.domain()), response.applied(),
        response.processes());
  }
  if (response.processes() == 0) {
    session.Warn("no process is connected; they take the domain when they connect");
  } else if (response.applied() < response.processes()) {
    session.Warn(
        "some processes have not applied the domain yet; `fermoctl cluster status` names them");
  }
  return absl::OkStatus();
}

absl::Status DomainList(Session& session, const PageOptions& page) {
  Listing<v1::ListDomainsResponse, v1::Domain> listing{
      .list = "domains",
      .table = Table({{"DOMAIN", false, true}, {"PRIMARY"}, {"REGIONS"}, {"ADDED", true}}),
      .fetch =
          [&](const std::string& token, v1::ListDomainsResponse* response) {
            v1::ListDomainsRequest request;
            request.set_page_size(page.limit);
            request.set_page_token(token);
            return session.Call(&Stub::ListDomains, request, response);
          },
      .elements =
          [](const v1::ListDomainsResponse& response) -> const auto& {return response.domains();
}
,
    .tabulate =
        [&](const v1::Domain& domain, Table* table) {
          table->Add({Printable(domain.name()), PrimaryOf(domain), RegionsOf(domain),
                      AgeOrDash(domain.created_millis(), session.now()) + " ago"});
        },
    .clear_elements = [](v1::ListDomainsResponse* response) { response->clear_domains(); },
    .empty = "There are no domains; add one with `fermoctl domain add DOMAIN --primary HOST`."
};  // namespace fermo::ctl
return PrintPages(session, page, listing);
}

absl::Status DomainShow(Session& session, const std::string& name) {
  v1::GetDomainRequest request;
  request.set_name(name);
  v1::GetDomainResponse response;
  absl::Status status = session.Call(&Stub::GetDomain, request, &response);
  if (!status.ok()) return status;
  if (session.json()) {
    session.out() << ToJson(response);
  } else {
    PrintDomain(session, response);
  }
  return absl::OkStatus();
}

absl::Status DomainRemove(Session& session, const std::string& name, bool force) {
  v1::RemoveDomainRequest request;
  request.set_name(name);
  request.set_force(force);
  v1::RemoveDomainResponse response;
  absl::Status status = session.Call(&Stub::RemoveDomain, request, &response);
  if (!status.ok()) return status;
  if (session.json()) {
    session.out() << ToJson(response);
    return absl::OkStatus();
  }
  session.out() << name << " removed.\n";
  if (response.waiting() > 0) {
    session.Warn(fmt::format("{} waited for it and stay in the queue",
                             Count(response.waiting(), "message")));
  }
  return absl::OkStatus();
}

}  // namespace fermo::ctl
