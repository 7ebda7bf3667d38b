// Tables that fit a terminal: columns as wide as their content; when that is
// too much, the widest ones that may be cut are cut.
//
// A plain value; no failure. Cells are printable ASCII (see Printable).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fermo::ctl {

struct Column {
  std::string title;
  bool right = false;  // numbers
  bool whole = false;  // never cut: ids that are copied and pasted
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell for each column.
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }

  // `width` in characters; 0: no limit.
  std::string Render(size_t width, bool with_titles = true) const;

 private:
  std::vector<size_t> Widths(size_t limit) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace fermo::ctl
