// The life of a daemon between its configuration and its exit code: built on an
// io_context of one thread, drained by the first signal or by its own fatal
// error, its log level reloaded by SIGHUP.
//
// A daemon is a class with
//   static absl::StatusOr<std::unique_ptr<Daemon>> Start(Executor, Options)
//   Awaitable<void> Drain()
// whose Options have `version` and `log`, and may have `on_fatal(status)`.
// Ownership: all of it lives in this call. Failure: Start's error or the fatal
// one is the program's, with exit code 1.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "lib/base/log.h"
#include "lib/net/asio.h"
#include "lib/net/daemon.h"
#include "lib/net/signals.h"

namespace fermo::net {

template <class Daemon>
struct DaemonRun {
  boost::asio::io_context io{1};
  std::unique_ptr<Daemon> daemon;
  std::unique_ptr<Signals> signals;
  absl::Status result;  // why the run has ended
  bool draining = false;
};

template <class Daemon>
Awaitable<void> DrainDaemon(DaemonRun<Daemon>* run) {
  co_await run->daemon->Drain();
  run->signals->Close();
}

template <class Daemon>
void StartDrain(DaemonRun<Daemon>* run, absl::Status result) {
  if (std::exchange(run->draining, true)) return;
  run->result = std::move(result);
  Spawn(run->io.get_executor(), DrainDaemon(run));
}

// Only the log level can change while a daemon runs; a bad file changes nothing.
template <class Config>
void ReloadLogLevel(const std::string& file, const Config& running,
                    absl::Status (*check)(const ConfigSource&, Config*), const Logger& log) {
  Config next;
  absl::Status loaded = LoadAndCheck(
      file, &next, [&next, check](const ConfigSource& source) { return check(source, &next); });
  if (!loaded.ok()) {
    log.Error("reload_failed", {{log::kError, loaded}});
    return;
  }
  const auto level = ParseLogLevel(next.log().level());
  if (level.ok()) log.SetLevel(*level);
  *next.mutable_log() = running.log();
  const bool restart = next.SerializeAsString() != running.SerializeAsString();
  log.Info("reloaded", {{log::kMsg, restart ? "keys other than log.level take a restart"
                                            : "log.level is in force"}});
}

template <class Daemon, class Config, class Options>
struct DaemonMain {
  DaemonProgram program;  // its `config`, `check` and `run` are filled in
  std::string component;  // in every log line
  absl::Status (*check)(const ConfigSource&, Config*) = nullptr;
  Options (*to_options)(const Config&) = nullptr;

  absl::Status Run(const Config& config, const std::string& file) const {
    const LogLevel level = ParseLogLevel(config.log().level()).value_or(LogLevel::kInfo);
    const Logger log = Logger::ToStdout(level, component);
    DaemonRun<Daemon> run;
    Options options = to_options(config);
    options.version = Version();
    options.log = log;
    if constexpr (requires { options.on_fatal; }) {
      options.on_fatal = [&run](const absl::Status& status) { StartDrain(&run, status); };
    }
    auto started = Daemon::Start(run.io.get_executor(), std::move(options));
    if (!started.ok()) return started.status();
    run.daemon = *std::move(started);
    run.signals = std::make_unique<Signals>(
        run.io.get_executor(), log, [&run] { StartDrain(&run, absl::OkStatus()); },
        [this, &config, &file, &log] { ReloadLogLevel(file, config, check, log); });
    run.io.run();
    return run.result;
  }

  // REQUIRES: called once, from main, before other threads start.
  int operator()(int argc, char** argv) {
    Config config;
    program.config = &config;
    program.check = [this, &config](const ConfigSource& source) { return check(source, &config); };
    program.run = [this, &config](const std::string& file) { return Run(config, file); };
    return RunDaemon(argc, argv, program);
  }
};

}  // namespace fermo::net
