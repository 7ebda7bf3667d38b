// A DNS server on 127.0.0.1 (UDP) that answers from a table: the server that the
// resolver is given in tests. Runs on the test's executor.
#pragma once

#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/host_port.h"
#include "lib/net/asio.h"

namespace fermo::net::test {

class DnsResponder {
 public:
  enum Rcode : uint8_t { kNoError = 0, kServFail = 2, kNxDomain = 3, kRefused = 5 };
  enum Type : uint16_t { kA = 1, kCname = 5, kMx = 15, kAaaa = 28 };

  explicit DnsResponder(Executor executor);
  ~DnsResponder();

  // A and AAAA by the form of the address.
  void AddAddress(const std::string& name, const std::string& address);
  void AddCname(const std::string& name, const std::string& target);
  void AddMx(const std::string& name, uint16_t preference, const std::string& host);
  // A name that exists without records.
  void AddEmpty(const std::string& name);
  // Answers every question of that type about the name so.
  void SetRcode(const std::string& name, uint16_t type, Rcode rcode);
  // Never answers questions about the name.
  void SetSilent(const std::string& name);
  // The same for questions of that type alone.
  void SetSilent(const std::string& name, uint16_t type);
  // Answers about the name are cut off in the middle.
  void SetMalformed(const std::string& name);

  HostPort place() const;
  int questions() const;

 private:
  struct State;
  static Awaitable<void> Serve(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace fermo::net::test
