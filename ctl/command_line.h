// The command line of fermoctl: flags, commands, exit codes.
//
// Exit codes: 0 done; 1 the operation failed; 2 wrong usage; 3 no coordinator
// could be reached, or it did not answer in time; of an audit also 4 there is a
// difference, 5 there is none in what could be audited. Every failure is one
// "fermoctl: ..." line on stderr that says what failed and what to do.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "lib/base/time.h"

namespace fermo::ctl {

struct Surroundings {
  std::string default_coordinator;  // of FERMOCTL_COORDINATOR; empty: not set
  size_t width = 0;                 // of the terminal; 0: not a terminal
  std::string version;
  Duration poll = std::chrono::seconds(1);  // of commands that wait
};

// `arguments`: without the program's name.
int RunFermoctl(std::vector<std::string> arguments, const Surroundings& surroundings,
                std::ostream& out, std::ostream& err);

}  // namespace fermo::ctl
