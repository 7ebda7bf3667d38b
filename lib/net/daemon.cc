#include "lib/net/daemon.h"

#include <google/protobuf/message.h>
#include <malloc.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>

namespace fermo::net {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kWrongUse = 2;

struct CommandLine {
  std::string config_file;
  bool check_config = false;
  bool print_config = false;
};

// glibc gives large blocks back to the system at once and takes them anew: for
// frames of 64 KiB and more that costs several times the work itself.
void TuneMalloc(size_t top_pad) {
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, top_pad == 0 ? 8 << 20 : 1 << 30);
  if (top_pad != 0) mallopt(M_TOP_PAD, static_cast<int>(top_pad));
}

// One connection and one table is a descriptor each: the soft limit that shells
// give is for programs that use select().
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Run(const CommandLine& flags, const DaemonProgram& program) {
  const absl::Status loaded = LoadAndCheck(flags.config_file, program.config, program.check);
  if (!loaded.ok()) {
    std::cerr << loaded.message() << std::endl;
    return kWrongUse;
  }
  if (flags.print_config) std::cout << ToYaml(*program.config) << std::flush;
  if (flags.print_config || flags.check_config) return kOk;
  TuneMalloc(program.malloc_top_pad);
  RaiseDescriptorLimit();
  // A peer that has gone is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  const absl::Status done = program.run(flags.config_file);
  if (done.ok()) return kOk;
  std::cerr << program.name << ": " << done.message() << std::endl;
  return kFailed;
}

}  // namespace

absl::Status LoadAndCheck(const std::string& config_file, google::protobuf::Message* config,
                          const std::function<absl::Status(const ConfigSource&)>& check) {
  ConfigSource source;
  absl::Status loaded = LoadYaml(config_file, config, &source);
  if (!loaded.ok()) return loaded;
  return check(source);
}

int RunDaemon(int argc, char** argv, const DaemonProgram& program) {
  CommandLine flags;
  CLI::App app(program.description, program.name);
  app.add_option("--config", flags.config_file, "the configuration, a YAML file")
      ->required()
      ->type_name("FILE");
  app.add_flag("--check-config", flags.check_config, "check the configuration and exit");
  app.add_flag("--print-config", flags.print_config,
               "print the configuration with its defaults and exit");
  app.set_version_flag("--version", program.name + " " + Version());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kOk : kWrongUse;
  }
  try {
    return Run(flags, program);
  } catch (const std::exception& e) {
    std::cerr << program.name << ": " << e.what() << std::endl;
  } catch (...) {
    std::cerr << program.name << ": stopped by an exception of a foreign type" << std::endl;
  }
  return kFailed;
}

std::string Version() { return FERMO_VERSION; }

}  // namespace fermo::net
