// What the main function of every daemon does: flags, configuration, exit code.
//
//   --config FILE    the configuration
//   --check-config   check it and exit
//   --print-config   check it, print it with the defaults filled in, and exit
//   --version
//
// Exit codes: 0 done or drained; 1 could not start or failed, with one line on
// stderr; 2 wrong flags or configuration, with "file:line: path: problem" lines
// on stderr; 128 + n ended at once by a second signal n.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "lib/base/config.h"

namespace google::protobuf {
class Message;
}

namespace fermo::net {

struct DaemonProgram {
  std::string name;                             // "fermo-node"
  std::string description;                      // one sentence for --help
  google::protobuf::Message* config = nullptr;  // the schema, filled before `check`

  // Checks the values and fills in defaults in *config (so that --print-config
  // shows them); problems by FieldErrors::ToStatus. Must not touch the disk or
  // the network.
  std::function<absl::Status(const ConfigSource& source)> check;
  // Builds the program from the checked configuration and runs it until drained.
  // `config_file` is for reloads.
  std::function<absl::Status(const std::string& config_file)> run;

  // How much the heap grows and keeps at a time (M_TOP_PAD). 0: glibc's default,
  // for a program with a small bound on its memory.
  size_t malloc_top_pad = 16u << 20;
};

// REQUIRES: called once, from main, before other threads start.
int RunDaemon(int argc, char** argv, const DaemonProgram& program);

// Reads and checks the configuration: what RunDaemon does first, and a reload later.
absl::Status LoadAndCheck(const std::string& config_file, google::protobuf::Message* config,
                          const std::function<absl::Status(const ConfigSource&)>& check);

// "0.1.0".
std::string Version();

}  // namespace fermo::net
