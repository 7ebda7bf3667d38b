#include "ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <ostream>

#include "absl/strings/str_split.h"
#include "ctl/audit_client.h"
#include "ctl/cluster_client.h"
#include "ctl/domain_client.h"
#include "ctl/node_client.h"
#include "ctl/queue_client.h"
#include "ctl/session_client.h"
#include "fmt/format.h"
#include "lib/base/units.h"

namespace fermo::ctl {
namespace {

constexpr char kDefaultCoordinator[] = "127.0.0.1:7700";
enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kNotReachable = 3 };

using Command = std::function<absl::Status(Session&)>;

// What the parser fills in.
struct Parsed {
  SessionOptions session;
  std::string output = "table";
  std::string timeout = "10s";
  PageOptions page;
  std::string name;
  std::string primary;
  std::string regions;  // by commas
  std::string domain;
  std::string id;
  bool force = false;
  DrainOptions drain;
  EvictOptions evict;
  Command command;
  std::string words;  // "domain add"
};

CLI::App* AddCommand(CLI::App* group, const std::string& word, const std::string& help,
                     Parsed* parsed, Command command) {
  CLI::App* added = group->add_subcommand(word, help);
  added->callback([parsed, group, word, command = std::move(command)] {
    parsed->words = group->get_name() + " " + word;
    parsed->command = command;
  });
  return added;
}

CLI::App* AddGroup(CLI::App* app, const std::string& word, const std::string& help) {
  CLI::App* group = app->add_subcommand(word, help);
  group->require_subcommand(1);
  return group;
}

void AddPageOptions(CLI::App* command, PageOptions* page) {
  command->add_option("--limit", page->limit, "Entries on a page, 1 to 1000 (100)")
      ->check(CLI::Range(1, 1000));
  auto* token = command->add_option("--page-token", page->token, "Go on where a page ended");
  command->add_flag("--all", page->all, "All pages")->excludes(token);
}

void AddDomainCommands(CLI::App* app, Parsed* p) {
  CLI::App* group = AddGroup(app, "domain", "The domains for which mail is accepted");
  CLI::App* add = AddCommand(group, "add", "Accept mail for a domain", p, [p](Session& session) {
    const std::vector<std::string> regions =
        absl::StrSplit(p->regions, ',', absl::SkipWhitespace());
    return DomainAdd(session, p->name, p->primary, regions);
  });
  add->add_option("DOMAIN", p->name, "The domain, such as example.org")->required();
  add->add_option("--primary", p->primary,
                  "Its own mail server: HOST, HOST:PORT or [IPv6]:PORT; port 25 when absent")
      ->required();
  add->add_option("--regions", p->regions, "The only regions that may hold its mail: A,B (all)");
  CLI::App* list = AddCommand(group, "list", "All domains", p,
                              [p](Session& session) { return DomainList(session, p->page); });
  AddPageOptions(list, &p->page);
  CLI::App* show = AddCommand(group, "show", "One domain, and how each node sees its primary", p,
                              [p](Session& session) { return DomainShow(session, p->name); });
  show->add_option("DOMAIN", p->name, "The domain")->required();
  CLI::App* remove =
      AddCommand(group, "remove", "Accept no more mail for a domain", p,
                 [p](Session& session) { return DomainRemove(session, p->name, p->force); });
  remove->add_option("DOMAIN", p->name, "The domain")->required();
  remove->add_flag("--force", p->force, "Also while mail waits, or nodes don't answer");
}

void AddQueueCommands(CLI::App* app, Parsed* p) {
  CLI::App* group = AddGroup(app, "queue", "The mail that waits");
  AddCommand(group, "summary", "Counts, by domain", p, QueueSummary);
  CLI::App* list = AddCommand(group, "list", "The messages that wait", p, [p](Session& session) {
    return QueueList(session, p->domain, p->page);
  });
  list->add_option("--domain", p->domain, "Only those with a recipient in this domain");
  AddPageOptions(list, &p->page);
  CLI::App* show = AddCommand(group, "show", "One message, on every node that knows it", p,
                              [p](Session& session) { return QueueShow(session, p->id); });
  show->add_option("MESSAGE", p->id, "The message id, as the 250 reply named it")->required();
}

void AddNodeCommands(CLI::App* app, Parsed* p) {
  CLI::App* group = AddGroup(app, "node", "The nodes");
  AddCommand(group, "list", "All nodes", p, NodeList);
  CLI::App* show = AddCommand(group, "show", "One node", p,
                              [p](Session& session) { return NodeShow(session, p->name); });
  show->add_option("NODE", p->name, "Its name or id")->required();
  CLI::App* drain =
      AddCommand(group, "drain", "Let a node hand over what it has and take nothing new", p,
                 [p](Session& session) { return NodeDrain(session, p->name, p->drain); });
  drain->add_option("NODE", p->name, "Its name or id")->required();
  auto* wait = drain->add_flag("--wait", p->drain.wait, "Until nothing is left on it");
  auto* cancel = drain->add_flag("--cancel", p->drain.cancel, "Let it take part again");
  auto* dry_run = drain->add_flag("--dry-run", p->drain.dry_run, "Check only, change nothing");
  wait->excludes(cancel);
  wait->excludes(dry_run);
  drain->add_flag("--force", p->drain.force, "Also when the others don't suffice for new mail");
  drain->add_option("--reason", p->drain.reason, "Why, for the log");
  CLI::App* evict =
      AddCommand(group, "evict", "Take a node out of the cluster for ever", p,
                 [p](Session& session) { return NodeEvict(session, p->name, p->evict); });
  evict->add_option("NODE", p->name, "Its name or id; the id where two have the name")->required();
  evict->add_flag("--force", p->evict.force, "Also when mail may be lost, or the node is in use");
  evict->add_flag("--dry-run", p->evict.dry_run, "Check only, change nothing");
  evict->add_option("--reason", p->evict.reason, "Why, for the log");
}

void AddAuditCommand(CLI::App* app, Parsed* p) {
  CLI::App* audit =
      app->add_subcommand("audit", "Whether all that was accepted is accounted for, by domain");
  audit->callback([p] {
    p->words = "audit";
    p->command = [p](Session& session) { return Audit(session, p->domain); };
  });
  audit->add_option("--domain", p->domain, "Only this domain");
}

void AddGlobalOptions(CLI::App* app, Parsed* p) {
  app->add_option("--coordinator", p->session.coordinators,
                  fmt::format("HOST:PORT; may be repeated, the first that answers is asked "
                              "(FERMOCTL_COORDINATOR, or {})",
                              kDefaultCoordinator))
      ->take_all()
      ->allow_extra_args(false);  // one each time: what follows may be a DOMAIN
  app->add_flag("--insecure", p->session.insecure, "Plaintext; loopback addresses only");
  app->add_option("-o,--output", p->output, "table or json (table)")
      ->check(CLI::IsMember({"table", "json"}));
  app->add_option("--timeout", p->timeout, "For each call to the coordinator (10s)");
}

int UsageError(std::ostream& err, const std::string& problem) {
  err << "fermoctl: " << problem << "\nRun `fermoctl --help`, also after a command.\n";
  return kUsage;
}

int RunCommand(const Parsed& parsed, std::ostream& out, std::ostream& err) {
  Session session(parsed.session, out, err);
  absl::Status status = session.Connect();
  if (absl::IsInvalidArgument(status)) {
    return UsageError(err, fmt::format("--coordinator: {}", std::string(status.message())));
  }
  if (status.ok()) status = parsed.command(session);
  if (status.ok()) return kDone;
  err << fmt::format("fermoctl: {}: {}\n", parsed.words, std::string(status.message()));
  if (session.exit_code()) return *session.exit_code();
  return session.reached() && !absl::IsDeadlineExceeded(status) ? kFailed : kNotReachable;
}

}  // namespace

int RunFermoctl(std::vector<std::string> arguments, const Surroundings& surroundings,
                std::ostream& out, std::ostream& err) {
  CLI::App app("Operates a Fermoposta cluster through its coordinator.", "fermoctl");
  Parsed parsed;
  app.set_version_flag("--version", "fermoctl " + surroundings.version);
  app.require_subcommand(1);
  app.fallthrough();  // global flags may also stand after the command
  AddGlobalOptions(&app, &parsed);
  AddDomainCommands(&app, &parsed);
  AddQueueCommands(&app, &parsed);
  AddNodeCommands(&app, &parsed);
  AddCommand(AddGroup(&app, "cluster", "The cluster"), "status",
             "Nodes, processes, and what is wrong", &parsed, ClusterStatus);
  AddAuditCommand(&app, &parsed);
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(arguments);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked, out, err);
  } catch (const CLI::ParseError& error) {
    return UsageError(err, error.what());
  }
  auto timeout = ParseDuration(parsed.timeout);
  if (!timeout.ok() || *timeout <= Duration::zero()) {
    return UsageError(err, fmt::format("--timeout: {} is no duration such as 10s", parsed.timeout));
  }
  parsed.session.timeout = *timeout;
  parsed.session.json = parsed.output == "json";
  parsed.session.width = surroundings.width;
  parsed.session.poll = surroundings.poll;
  if (parsed.session.coordinators.empty()) {
    const std::string& preset = surroundings.default_coordinator;
    parsed.session.coordinators = {preset.empty() ? kDefaultCoordinator : preset};
  }
  return RunCommand(parsed, out, err);
}

}  // namespace fermo::ctl
