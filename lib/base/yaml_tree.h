// A YAML document as a tree that still knows its lines: internal to config.cc.
//
// Built from yaml-cpp's parser events, because its Node type takes duplicate keys
// silently, resolves aliases and has opinions about `no` and 010. Plain values;
// no exception leaves the parser.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fermo::internal {

struct YamlEntry;

struct YamlNode {
  // kRefused: a problem with it was already reported.
  enum class Kind { kNull, kScalar, kList, kMap, kRefused };
  Kind kind = Kind::kNull;
  int line = 0;
  bool quoted = false;             // kScalar
  std::string text;                // kScalar
  std::vector<YamlNode> items;     // kList
  std::vector<YamlEntry> entries;  // kMap, in the order of the file
};

struct YamlEntry {
  std::string key;
  int line = 0;
  YamlNode value;
};

struct ConfigProblem {
  int line = 0;
  std::string path;
  std::string text;
};

// "a" + "b" -> "a.b"; control characters in the key are escaped.
std::string JoinPath(const std::string& path, std::string_view key);
std::string JoinPath(const std::string& path, size_t index);

// The root, or nothing if the text is not YAML at all; problems are appended.
std::optional<YamlNode> ParseYamlTree(std::string_view text, std::vector<ConfigProblem>* problems);

}  // namespace fermo::internal
