// SMTP transcripts as data: the format of README.md, read from files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fermo::smtp {

struct DialogStep {
  char kind = 0;      // 'C' client octets, 'S' answer, 'E', 'M', 'R', '!'
  std::string text;   // unescaped for 'C'
  std::string where;  // file:line
};

struct Dialog {
  std::string name;  // usable as the name of a test
  std::vector<DialogStep> steps;
};

// All cases of all *.dialog files of a folder, by name of file, in order. Aborts with a
// message at a line that isn't of the format.
std::vector<Dialog> LoadDialogs(const std::string& folder);

}  // namespace fermo::smtp
