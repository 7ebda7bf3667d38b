// fermo-coordinator: builds one coordinator from its configuration and runs it
// until a signal drains it or its store breaks.
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "coordinator/coordinator.h"
#include "coordinator/coordinator_config.h"
#include "fermoposta/v1/config.pb.h"
#include "lib/net/daemon.h"
#include "lib/net/signals.h"
#include "lib/rpc/channel.h"

namespace {

using fermo::coordinator::CheckConfig;
using fermo::coordinator::Coordinator;
using fermoposta::v1::CoordinatorConfig;

// What one run consists of. Everything happens on its io_context.
struct Run {
  boost::asio::io_context io{1};
  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<fermo::net::Signals> signals;
  absl::Status result;  // why the run has ended
  bool draining = false;
};

fermo::net::Awaitable<void> Drain(Run* run) {
  co_await run->coordinator->Drain();
  run->signals->Close();
}

void StartDrain(Run* run, absl::Status result) {
  if (std::exchange(run->draining, true)) return;
  run->result = std::move(result);
  fermo::net::Spawn(run->io.get_executor(), Drain(run));
}

// Only the log level can change while it runs.
void Reload(const std::string& file, const CoordinatorConfig& running, const fermo::Logger& log) {
  CoordinatorConfig next;
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

absl::Status RunCoordinator(const CoordinatorConfig& config, const std::string& file) {
  fermo::rpc::SilenceGrpcLog();
  const fermo::LogLevel level =
      fermo::ParseLogLevel(config.log().level()).value_or(fermo::LogLevel::kInfo);
  const fermo::Logger log = fermo::Logger::ToStdout(level, "coordinator");
  Run run;
  fermo::coordinator::CoordinatorOptions options = fermo::coordinator::ToOptions(config);
  options.version = fermo::net::Version();
  options.log = log;
  options.on_fatal = [&run](const absl::Status& status) { StartDrain(&run, status); };
  auto started = Coordinator::Start(run.io.get_executor(), std::move(options));
  if (!started.ok()) return started.status();
  run.coordinator = *std::move(started);
  run.signals = std::make_unique<fermo::net::Signals>(
      run.io.get_executor(), log, [&run] { StartDrain(&run, absl::OkStatus()); },
      [&config, &file, &log] { Reload(file, config, log); });
  run.io.run();
  return run.result;
}

}  // namespace

int main(int argc, char** argv) {
  CoordinatorConfig config;
  fermo::net::DaemonProgram program;
  program.name = "fermo-coordinator";
  program.description = "Keeps the configuration of a Fermoposta cluster and answers operators.";
  program.config = &config;
  program.check = [&config](const fermo::ConfigSource& source) {
    return CheckConfig(source, &config);
  };
  program.run = [&config](const std::string& file) { return RunCoordinator(config, file); };
  return fermo::net::RunDaemon(argc, argv, program);
}
