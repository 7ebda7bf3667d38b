#include "ctl/table.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

namespace fermo::ctl {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kNarrowest = 8;  // below this a cut column says nothing

std::string Fit(const std::string& cell, size_t width, bool right) {
  if (cell.size() > width) return cell.substr(0, width - 1) + "~";
  const std::string fill(width - cell.size(), ' ');
  return right ? fill + cell : cell + fill;
}

void AppendLine(const std::vector<Column>& columns, const std::vector<std::string>& cells,
                const std::vector<size_t>& widths, std::string* out) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    line += Fit(cells[i], widths[i], columns[i].right);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  *out += line + "\n";
}

}  // namespace

void Table::Add(std::vector<std::string> row) {
  if (row.size() != columns_.size()) std::abort();
  rows_.push_back(std::move(row));
}

std::vector<size_t> Table::Widths(size_t limit) const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) widths.push_back(column.title.size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  if (limit == 0) return widths;
  const size_t gaps = kGap * (columns_.size() - 1);
  while (std::accumulate(widths.begin(), widths.end(), gaps) > limit) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < widths.size(); ++i) {
      const size_t floor = std::max(kNarrowest, columns_[i].title.size());
      if (columns_[i].whole || widths[i] <= floor) continue;
      if (!widest || widths[i] > *widest) widest = &widths[i];
    }
    if (!widest) break;  // as narrow as it gets
    --*widest;
  }
  return widths;
}

std::string Table::Render(size_t width, bool with_titles) const {
  const std::vector<size_t> widths = Widths(width);
  std::string text;
  if (with_titles) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    AppendLine(columns_, titles, widths, &text);
  }
  for (const auto& row : rows_) AppendLine(columns_, row, widths, &text);
  return text;
}

}  // namespace fermo::ctl
