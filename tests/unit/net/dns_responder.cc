#include "tests/unit/net/dns_responder.h"

#include <array>
#include <boost/asio/ip/address.hpp>
#include <set>

#include "absl/strings/ascii.h"

namespace fermo::net::test {
namespace {

using Udp = asio::ip::udp;

void AppendU16(uint16_t value, std::string* out) {
  out->push_back(static_cast<char>(value >> 8));
  out->push_back(static_cast<char>(value));
}

// Labels with their lengths; "" and "." are the root.
std::string EncodeName(const std::string& name) {
  std::string out;
  size_t at = 0;
  while (at < name.size() && name != ".") {
    const size_t dot = std::min(name.find('.', at), name.size());
    out.push_back(static_cast<char>(dot - at));
    out.append(name, at, dot - at);
    at = dot + 1;
  }
  out.push_back('\0');
  return out;
}

}  // namespace

struct DnsResponder::State {
  struct Record {
    uint16_t type;
    std::string data;
  };

  explicit State(Executor executor)
      : socket(executor, Udp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

  std::string Answer(const std::string& question);
  void AppendRecords(const std::string& name, uint16_t type, uint16_t* count, std::string* out);

  Udp::socket socket;
  std::map<std::string, std::vector<Record>> records;
  std::map<std::pair<std::string, uint16_t>, Rcode> rcodes;
  std::set<std::string> silent;
  std::set<std::pair<std::string, uint16_t>> silent_types;
  std::set<std::string> malformed;
  int questions = 0;
};

// Follows a CNAME, as a resolving server does.
void DnsResponder::State::AppendRecords(const std::string& name, uint16_t type, uint16_t* count,
                                        std::string* out) {
  const auto found = records.find(name);
  if (found == records.end()) return;
  for (const Record& record : found->second) {
    if (record.type != type && record.type != kCname) continue;
    out->append(EncodeName(name));
    AppendU16(record.type, out);
    AppendU16(1, out);
    AppendU16(0, out);
    AppendU16(60, out);  // TTL
    const std::string data = record.type == kCname ? EncodeName(record.data) : record.data;
    AppendU16(static_cast<uint16_t>(data.size()), out);
    out->append(data);
    ++*count;
    if (record.type == kCname) AppendRecords(record.data, type, count, out);
  }
}

std::string DnsResponder::State::Answer(const std::string& question) {
  std::string name;
  size_t at = 12;
  while (at < question.size() && question[at] != '\0') {
    const auto length = static_cast<uint8_t>(question[at]);
    if (!name.empty()) name.push_back('.');
    name.append(question, at + 1, length);
    at += length + 1;
  }
  absl::AsciiStrToLower(&name);
  const auto type = static_cast<uint16_t>(static_cast<uint8_t>(question.at(at + 1)) << 8 |
                                          static_cast<uint8_t>(question.at(at + 2)));
  if (silent.contains(name) || silent_types.contains({name, type})) return "";
  const auto forced = rcodes.find({name, type});
  Rcode rcode = records.contains(name) ? kNoError : kNxDomain;
  if (forced != rcodes.end()) rcode = forced->second;
  uint16_t count = 0;
  std::string answers;
  if (rcode == kNoError) AppendRecords(name, type, &count, &answers);
  std::string reply = question.substr(0, 2);
  AppendU16(static_cast<uint16_t>(0x8180 | rcode), &reply);
  AppendU16(1, &reply);
  AppendU16(count, &reply);
  AppendU16(0, &reply);
  AppendU16(0, &reply);
  reply.append(question, 12, at + 5 - 12);
  reply.append(answers);
  if (malformed.contains(name)) reply.resize(reply.size() - 3);
  return reply;
}

DnsResponder::DnsResponder(Executor executor) : state_(std::make_shared<State>(executor)) {
  Spawn(executor, Serve(state_));
}

DnsResponder::~DnsResponder() {
  ErrorCode ignored;
  state_->socket.close(ignored);
}

Awaitable<void> DnsResponder::Serve(std::shared_ptr<State> state) {
  std::array<char, 1500> buffer;
  for (;;) {
    Udp::endpoint client;
    const auto [error, n] =
        co_await state->socket.async_receive_from(asio::buffer(buffer), client, kAwait);
    if (error == asio::error::operation_aborted || !state->socket.is_open()) co_return;
    if (error) continue;
    ++state->questions;
    const std::string reply = state->Answer(std::string(buffer.data(), n));
    ErrorCode ignored;
    if (!reply.empty()) state->socket.send_to(asio::buffer(reply), client, 0, ignored);
  }
}

void DnsResponder::AddAddress(const std::string& name, const std::string& address) {
  const auto parsed = asio::ip::make_address(address);
  std::string data;
  if (parsed.is_v4()) {
    const auto octets = parsed.to_v4().to_bytes();
    data.assign(octets.begin(), octets.end());
  } else {
    const auto octets = parsed.to_v6().to_bytes();
    data.assign(octets.begin(), octets.end());
  }
  state_->records[name].push_back({parsed.is_v4() ? kA : kAaaa, data});
}

void DnsResponder::AddCname(const std::string& name, const std::string& target) {
  state_->records[name].push_back({kCname, target});
}

void DnsResponder::AddMx(const std::string& name, uint16_t preference, const std::string& host) {
  std::string data;
  AppendU16(preference, &data);
  data.append(EncodeName(host));
  state_->records[name].push_back({kMx, data});
}

void DnsResponder::AddEmpty(const std::string& name) { state_->records[name]; }

void DnsResponder::SetRcode(const std::string& name, uint16_t type, Rcode rcode) {
  state_->rcodes[{name, type}] = rcode;
}

void DnsResponder::SetSilent(const std::string& name) { state_->silent.insert(name); }

void DnsResponder::SetSilent(const std::string& name, uint16_t type) {
  state_->silent_types.insert({name, type});
}

void DnsResponder::SetMalformed(const std::string& name) { state_->malformed.insert(name); }

HostPort DnsResponder::place() const {
  HostPort result;
  result.host = "127.0.0.1";
  result.port = state_->socket.local_endpoint().port();
  return result;
}

int DnsResponder::questions() const { return state_->questions; }

}  // namespace fermo::net::test
