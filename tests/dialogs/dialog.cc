#include "tests/dialogs/dialog.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace fermo::smtp {
namespace {

[[noreturn]] void Broken(const std::string& where, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", where.c_str(), why.c_str());
  std::abort();
}

std::string Unescape(std::string_view text, const std::string& where) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char c = ++i < text.size() ? text[i] : '?';
    if (c == 'r') {
      out += '\r';
    } else if (c == 'n') {
      out += '\n';
    } else if (c == 't') {
      out += '\t';
    } else if (c == '0') {
      out += '\0';
    } else if (c == '\\') {
      out += '\\';
    } else if (c == 'x' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      Broken(where, "bad escape");
    }
  }
  return out;
}

std::string TestName(const std::string& stem, std::string_view title) {
  std::string name = stem + "_";
  bool upper = true;
  for (char c : title) {
    if (!std::isalnum(static_cast<unsigned char>(c))) {
      upper = true;
      continue;
    }
    name += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = false;
  }
  return name;
}

void AddLine(const std::string& line, const std::string& where, Dialog& dialog) {
  DialogStep step;
  step.kind = line[0];
  step.where = where;
  const std::string_view rest = line.size() > 3 ? std::string_view(line).substr(3) : "";
  if (line.starts_with("C* ")) {
    step.kind = 'C';
    const size_t space = rest.find(' ');
    const int count = std::stoi(std::string(rest.substr(0, space)));
    const std::string one = Unescape(rest.substr(space + 1), where) + "\r\n";
    for (int i = 0; i < count; ++i) step.text += one;
  } else if (line.starts_with("C+ ") || line.starts_with("C:")) {
    step.text = Unescape(rest, where);
    if (line[1] == ':') step.text += "\r\n";
  } else if (line.starts_with("! ")) {
    step.text = line.substr(2);
  } else if (line.size() > 1 && line[1] == ':' &&
             std::string_view("SEMR").find(line[0]) != std::string_view::npos) {
    step.text = std::string(rest);
  } else {
    Broken(where, "not a line of a dialogue");
  }
  dialog.steps.push_back(std::move(step));
}

void LoadFile(const std::filesystem::path& path, std::vector<Dialog>& dialogs) {
  std::ifstream file(path);
  std::string line;
  bool begun = false;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string where = path.filename().string() + ":" + std::to_string(number);
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("== ")) {
      dialogs.emplace_back().name = TestName(path.stem().string(), line.substr(3));
      begun = true;
      continue;
    }
    if (!begun) Broken(where, "a line before the first case");
    AddLine(line, where, dialogs.back());
  }
}

}  // namespace

std::vector<Dialog> LoadDialogs(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".dialog") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Dialog> dialogs;
  for (const auto& path : paths) LoadFile(path, dialogs);
  return dialogs;
}

}  // namespace fermo::smtp
