#include "coordinator/membership/process_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace fermo::coordinator {
namespace {

// A node is its id. Other processes have none: name and addresses must do.
bool IsSameProcess(const rpc::JoinInfo& a, const rpc::JoinInfo& b) {
  if (a.role != b.role) return false;
  if (a.role == rpc::Role::kNode) return a.node == b.node;
  return std::tie(a.name, a.region, a.advertise_address, a.smtp_address, a.http_address) ==
         std::tie(b.name, b.region, b.advertise_address, b.smtp_address, b.http_address);
}

}  // namespace

std::vector<uint64_t> ProcessTable::Add(Process process) {
  std::vector<uint64_t> replaced;
  for (const auto& [stream, known] : processes_) {
    if (IsSameProcess(known.join, process.join)) replaced.push_back(stream);
  }
  for (const uint64_t stream : replaced) processes_.erase(stream);
  if (process.join.role == rpc::Role::kNode) disconnected_.erase(process.join.node);
  const uint64_t stream = process.stream;
  processes_.insert_or_assign(stream, std::move(process));
  return replaced;
}

void ProcessTable::Acknowledge(uint64_t stream, uint64_t generation) {
  const auto it = processes_.find(stream);
  if (it == processes_.end()) return;
  it->second.applied_generation = std::max(it->second.applied_generation, generation);
}

void ProcessTable::Remove(uint64_t stream, WallTime now) {
  const auto it = processes_.find(stream);
  if (it == processes_.end()) return;
  const rpc::JoinInfo& join = it->second.join;
  if (join.role == rpc::Role::kNode) disconnected_.insert_or_assign(join.node, now);
  processes_.erase(it);
}

const Process* ProcessTable::FindNode(NodeId node) const {
  for (const auto& [stream, process] : processes_) {
    if (process.join.role == rpc::Role::kNode && process.join.node == node) return &process;
  }
  return nullptr;
}

const Process* ProcessTable::FindNodeByName(std::string_view name) const {
  for (const auto& [stream, process] : processes_) {
    if (process.join.role == rpc::Role::kNode && process.join.name == name) return &process;
  }
  return nullptr;
}

std::vector<Process> ProcessTable::List() const {
  std::vector<Process> list;
  for (const auto& [stream, process] : processes_) list.push_back(process);
  std::sort(list.begin(), list.end(), [](const Process& a, const Process& b) {
    return std::tie(a.join.role, a.join.region, a.join.name, a.stream) <
           std::tie(b.join.role, b.join.region, b.join.name, b.stream);
  });
  return list;
}

AppliedCount ProcessTable::CountApplied(uint64_t generation) const {
  AppliedCount count;
  for (const auto& [stream, process] : processes_) {
    ++count.processes;
    if (process.applied_generation >= generation) ++count.applied;
  }
  return count;
}

const Process* ProcessTable::Newest() const {
  const Process* newest = nullptr;
  for (const auto& [stream, process] : processes_) {
    if (!newest || process.applied_generation > newest->applied_generation) newest = &process;
  }
  return newest;
}

std::optional<WallTime> ProcessTable::DisconnectedAt(NodeId node) const {
  const auto it = disconnected_.find(node);
  if (it == disconnected_.end()) return std::nullopt;
  return it->second;
}

}  // namespace fermo::coordinator
