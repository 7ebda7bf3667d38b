// fermo-node: builds one node from its configuration and runs it
// until a signal drains it.
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "fermoposta/v1/config.pb.h"
#include "lib/net/daemon.h"
#include "lib/net/signals.h"
#include "lib/rpc/channel.h"
#include "node/node.h"
#include "node/node_config.h"

namespace {

using fermo::node::CheckConfig;
using fermo::node::Node;
using fermoposta::v1::NodeConfig;

// What one run consists of. Everything happens on its io_context.
struct Run {
  boost::asio::io_context io{1};
  std::unique_ptr<Node> node;
  std::unique_ptr<fermo::net::Signals> signals;
  absl::Status result;  // why the run has ended
  bool draining = false;
};

fermo::net::Awaitable<void> Drain(Run* run) {
  co_await run->node->Drain();
  run->signals->Close();
}

void StartDrain(Run* run, absl::Status result) {
  if (std::exchange(run->draining, true)) return;
  run->result = std::move(result);
  fermo::net::Spawn(run->io.get_executor(), Drain(run));
}

// Only the log level can change while it runs.
void Reload(const std::string& file, const NodeConfig& running, const fermo::Logger& log) {
  NodeConfig next;
  absl::Status loaded = fermo::net::LoadAndCheck(
      file, &next,
      [&next](const fermo::ConfigSource& source) { return CheckConfig(source, &next); });
  if (!loaded.ok()) {
    log.Error("reload_failed", {{fermo::log::kError, loaded}});
    return;
  }
  const auto level = fermo::ParseLogLevel(next.log().level());
  if (level.ok()) log.SetLevel(*level);
  *next.mutable_log() = running.log();
  const bool restart = next.SerializeAsString() != running.SerializeAsString();
  log.Info("reloaded", {{fermo::log::kMsg, restart ? "keys other than log.level take a restart"
                                                   : "log.level is in force"}});
}

absl::Status RunNode(const NodeConfig& config, const std::string& file) {
  fermo::rpc::SilenceGrpcLog();
  const fermo::LogLevel level =
      fermo::ParseLogLevel(config.log().level()).value_or(fermo::LogLevel::kInfo);
  const fermo::Logger log = fermo::Logger::ToStdout(level, "node");
  Run run;
  fermo::node::NodeOptions options = fermo::node::ToOptions(config);
  options.version = fermo::net::Version();
  options.log = log;
  auto started = Node::Start(run.io.get_executor(), std::move(options));
  if (!started.ok()) return started.status();
  run.node = *std::move(started);
  run.signals = std::make_unique<fermo::net::Signals>(
      run.io.get_executor(), log, [&run] { StartDrain(&run, absl::OkStatus()); },
      [&config, &file, &log] { Reload(file, config, log); });
  run.io.run();
  return run.result;
}

}  // namespace

int main(int argc, char** argv) {
  NodeConfig config;
  fermo::net::DaemonProgram program;
  program.name = "fermo-node";
  program.description = "Keeps, replicates and delivers the mail of a Fermoposta cluster.";
  program.config = &config;
  program.check = [&config](const fermo::ConfigSource& source) {
    return CheckConfig(source, &config);
  };
  program.run = [&config](const std::string& file) { return RunNode(config, file); };
  return fermo::net::RunDaemon(argc, argv, program);
}
