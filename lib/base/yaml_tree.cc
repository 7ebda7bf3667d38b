#include "lib/base/yaml_tree.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/log.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/yaml.h"

namespace fermo::internal {
namespace {

// Puts the parser's events together, noting all that a configuration may not use.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<ConfigProblem>* problems) : problems_(*problems) {}

  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckDecorations(mark, "", anchor);
    Attach(MakeNode(YamlNode::Kind::kNull, mark));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Problem(mark, "aliases are not allowed");
    Attach(MakeNode(YamlNode::Kind::kRefused, mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckDecorations(mark, tag, anchor);
    YamlNode node = MakeNode(YamlNode::Kind::kScalar, mark);
    node.quoted = tag == "!";  // how yaml-cpp marks quoted and block scalars
    node.text = value;
    Attach(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { CloseTop(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { CloseTop(); }

 private:
  // A list or map that is not complete yet.
  struct Frame {
    YamlNode node;
    std::string path;
    bool has_key = false;  // kMap: a key was read, its value is awaited
    YamlEntry entry;
  };

  static YamlNode MakeNode(YamlNode::Kind kind, const YAML::Mark& mark) {
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }

  // The path of the node that comes next.
  std::string NextPath() const {
    if (stack_.empty()) return "";
    const Frame& top = stack_.back();
    if (top.node.kind == YamlNode::Kind::kList) return JoinPath(top.path, top.node.items.size());
    return top.has_key ? JoinPath(top.path, top.entry.key) : top.path;
  }

  void Problem(const YAML::Mark& mark, std::string text) {
    problems_.push_back({mark.line + 1, NextPath(), std::move(text)});
  }

  void CheckDecorations(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) Problem(mark, "anchors are not allowed");
    if (!tag.empty() && tag != "?" && tag != "!") Problem(mark, "tags are not allowed");
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    CheckDecorations(mark, tag, anchor);
    Frame frame;
    frame.node = MakeNode(kind, mark);
    frame.path = NextPath();
    stack_.push_back(std::move(frame));
  }

  void CloseTop() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Attach(std::move(node));
  }

  void Attach(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& top = stack_.back();
    // yaml-cpp gives the place of whatever follows an absent value.
    if (node.kind == YamlNode::Kind::kNull) {
      node.line = top.has_key ? top.entry.line : top.node.line;
    }
    if (top.node.kind == YamlNode::Kind::kList) {
      top.node.items.push_back(std::move(node));
    } else if (!top.has_key) {
      TakeKey(std::move(node));
    } else {
      top.entry.value = std::move(node);
      top.has_key = false;
      if (!top.entry.key.empty()) top.node.entries.push_back(std::move(top.entry));
      top.entry = YamlEntry();
    }
  }

  // An entry with an empty key is dropped: its problem is reported here.
  void TakeKey(YamlNode node) {
    Frame& top = stack_.back();
    std::string problem;
    std::string path = top.path;
    if (node.kind != YamlNode::Kind::kScalar || node.text.empty()) {
      if (node.kind != YamlNode::Kind::kRefused) problem = "a key must be a word";
    } else if (node.text == "<<" && !node.quoted) {
      problem = "merge keys are not allowed";
    } else {
      const auto first =
          std::find_if(top.node.entries.begin(), top.node.entries.end(),
                       [&node](const YamlEntry& entry) { return entry.key == node.text; });
      if (first == top.node.entries.end()) {
        top.entry.key = std::move(node.text);
      } else {
        path = JoinPath(top.path, node.text);
        problem = absl::StrCat("duplicate key, first given on line ", first->line);
      }
    }
    if (!problem.empty()) problems_.push_back({node.line, std::move(path), std::move(problem)});
    top.entry.line = node.line;
    top.has_key = true;
  }

  std::vector<ConfigProblem>& problems_;
  std::vector<Frame> stack_;
  YamlNode root_;
};

}  // namespace

std::string JoinPath(const std::string& path, std::string_view key) {
  std::string joined = path;
  if (!joined.empty()) joined.push_back('.');
  AppendJsonEscaped(key, &joined);
  return joined;
}

std::string JoinPath(const std::string& path, size_t index) {
  return absl::StrCat(path, "[", index, "]");
}

std::optional<YamlNode> ParseYamlTree(std::string_view text, std::vector<ConfigProblem>* problems) {
  std::istringstream stream{std::string(text)};
  TreeBuilder builder(problems);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return YamlNode();
    std::vector<ConfigProblem> ignored;
    TreeBuilder second(&ignored);
    if (parser.HandleNextDocument(second)) {
      const int line = second.TakeRoot().line;
      problems->push_back({line, "", "a second document is not allowed"});
    }
  } catch (const YAML::Exception& e) {
    problems->push_back({e.mark.line + 1, "", absl::StrCat("is not YAML: ", e.msg)});
    return std::nullopt;
  } catch (const std::exception& e) {  // DeepRecursion
    problems->push_back({1, "", absl::StrCat("is not YAML: ", e.what())});
    return std::nullopt;
  }
  return builder.TakeRoot();
}

}  // namespace fermo::internal
