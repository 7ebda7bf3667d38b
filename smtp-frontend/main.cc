// fermo-smtp-frontend: builds one frontend from its configuration and runs it
// until a signal drains it.
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <utility>

#include "fermoposta/v1/config.pb.h"
#include "lib/net/daemon.h"
#include "lib/net/signals.h"
#include "lib/rpc/channel.h"
#include "smtp-frontend/frontend.h"
#include "smtp-frontend/frontend_config.h"

namespace {

using fermo::frontend::CheckConfig;
using fermo::frontend::Frontend;
using fermoposta::v1::FrontendConfig;

// What one run consists of. Everything happens on its io_context, which one
// thread runs.
struct Run {
  boost::asio::io_context io{1};
  std::unique_ptr<Frontend> frontend;
  std::unique_ptr<fermo::net::Signals> signals;
};

fermo::net::Awaitable<void> Drain(Run* run) {
  co_await run->frontend->Drain();
  run->signals->Close();
}

// Only the log level can change while it runs.
void Reload(const std::string& file, const FrontendConfig& running, const fermo::Logger& log) {
  FrontendConfig next;
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

absl::Status RunFrontend(const FrontendConfig& config, const std::string& file) {
  fermo::rpc::SilenceGrpcLog();
  const fermo::LogLevel level =
      fermo::ParseLogLevel(config.log().level()).value_or(fermo::LogLevel::kInfo);
  const fermo::Logger log = fermo::Logger::ToStdout(level, "frontend");
  Run run;
  fermo::frontend::FrontendOptions options = fermo::frontend::ToOptions(config);
  options.version = fermo::net::Version();
  options.log = log;
  auto started = Frontend::Start(run.io.get_executor(), std::move(options));
  if (!started.ok()) return started.status();
  run.frontend = *std::move(started);
  run.signals = std::make_unique<fermo::net::Signals>(
      run.io.get_executor(), log, [&run] { fermo::net::Spawn(run.io.get_executor(), Drain(&run)); },
      [&config, &file, &log] { Reload(file, config, log); });
  run.io.run();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  FrontendConfig config;
  fermo::net::DaemonProgram program;
  program.name = "fermo-smtp-frontend";
  program.description = "Speaks SMTP with the internet and hands mail to Fermoposta's nodes.";
  program.config = &config;
  program.check = [&config](const fermo::ConfigSource& source) {
    return CheckConfig(source, &config);
  };
  program.run = [&config](const std::string& file) { return RunFrontend(config, file); };
  // Its memory is bounded by its connections, and small.
  program.malloc_top_pad = 0;
  return fermo::net::RunDaemon(argc, argv, program);
}
