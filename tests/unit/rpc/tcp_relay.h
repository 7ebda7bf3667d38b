// A relay between a client and a server on loopback that a test can break:
// what a dead or frozen process, or a cut line, looks like from outside.
//
// Runs a thread of its own; all methods may be called from the test's thread
// and take effect before they return.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace fermo::rpc {

class TcpRelay {
 public:
  explicit TcpRelay(uint16_t target_port);
  ~TcpRelay();

  std::string address() const;  // 127.0.0.1:PORT

  // Closes all connections; new ones are taken.
  void Cut();
  // Takes no connection any more, and closes those there are; true: until undone.
  void Refuse(bool refuse);
  // Forwards nothing, closes nothing.
  void Freeze(bool freeze);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fermo::rpc
