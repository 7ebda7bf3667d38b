// fermoctl: the command line for operators.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "ctl/command_line.h"
#include "lib/net/daemon.h"

namespace {

// Columns of the terminal on stdout; 0 when it is a file or a pipe.
size_t TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return 0;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

int main(int argc, char** argv) {
  fermo::ctl::Surroundings surroundings;
  const char* coordinator = std::getenv("FERMOCTL_COORDINATOR");
  if (coordinator) surroundings.default_coordinator = coordinator;
  surroundings.width = TerminalWidth();
  surroundings.version = fermo::net::Version();
  const int code = fermo::ctl::RunFermoctl(std::vector<std::string>(argv + 1, argv + argc),
                                           surroundings, std::cout, std::cerr);
  std::cout.flush();
  if (std::cout.good()) return code;
  std::cerr << "fermoctl: cannot write the answer to standard output\n";
  return 1;
}
