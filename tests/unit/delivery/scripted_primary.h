// A primary mail server for tests that does what its script says: plain
// blocking sockets and threads, and no code of ours that it is to test.
//
// Thread-safe. Its own reading of DATA is as strict as RFC 5321: only CRLF ends
// a line, only CRLF "." CRLF ends the content.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace fermo::node {

class ScriptedPrimary {
 public:
  // What to answer in connection number `connection` (from 0) to a command
  // line, "CONNECT" (the greeting) or "." (the content has ended). "": as usual.
  // kClose: close without a word. kHang: never answer.
  using Script = std::function<std::string(int connection, const std::string& command)>;
  static constexpr char kClose[] = "close";
  static constexpr char kHang[] = "hang";

  struct Message {
    std::string mail_line;
    std::vector<std::string> rcpt_lines;  // accepted ones
    std::string content;                  // dots unstuffed
    bool accepted = false;                // answered 250
  };

  // Port 0 takes a free one.
  explicit ScriptedPrimary(uint16_t port = 0, Script script = {});
  ~ScriptedPrimary();
  uint16_t port() const { return port_; }

  std::vector<Message> messages() const;      // whose final dot came, in order
  std::vector<std::string> commands() const;  // of all connections
  size_t accepted() const;
  int connections() const { return connections_; }

 private:
  void Accept();
  void Serve(int fd, int connection);
  struct Reader;
  std::string Decide(int connection, const std::string& command, const std::string& usual);
  static bool Say(int fd, const std::string& reply);
  bool ReceiveContent(int fd, int connection, Reader& reader, Message message);

  Script script_;
  uint16_t port_ = 0;  // before listener_, whose making sets it
  int listener_ = -1;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<Message> messages_;
  std::vector<std::string> commands_;
  std::vector<std::thread> servers_;
  std::thread acceptor_;
};

// A port of the loopback on which nobody listens at present.
uint16_t UnusedPort();

}  // namespace fermo::node
