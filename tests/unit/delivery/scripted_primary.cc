#include "tests/unit/delivery/scripted_primary.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace fermo::node {
namespace {

constexpr char kHello[] =
    "250-primary.test\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n"
    "250 ENHANCEDSTATUSCODES";

int Listen(uint16_t port, uint16_t* bound) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  *bound = ntohs(address.sin_port);
  if (listen(fd, 100) != 0) std::abort();
  return fd;
}

}  // namespace

uint16_t UnusedPort() {
  uint16_t port = 0;
  close(Listen(0, &port));
  return port;
}

struct ScriptedPrimary::Reader {
  int fd;
  std::string buffer;

  bool More() {
    char octets[65536];
    const ssize_t n = recv(fd, octets, sizeof octets, 0);
    if (n <= 0) return false;
    buffer.append(octets, static_cast<size_t>(n));
    return true;
  }
  // Up to and without `end`; false at the end of the connection.
  bool Until(const std::string& end, std::string* text) {
    size_t searched = 0;
    while (true) {
      const size_t at = buffer.find(end, searched);
      if (at != std::string::npos) {
        *text = buffer.substr(0, at);
        buffer.erase(0, at + end.size());
        return true;
      }
      searched = buffer.size() < end.size() ? 0 : buffer.size() - end.size();
      if (!More()) return false;
    }
  }
};

ScriptedPrimary::ScriptedPrimary(uint16_t port, Script script)
    : script_(std::move(script)), listener_(Listen(port, &port_)) {
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedPrimary::~ScriptedPrimary() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : sockets_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& server : servers_) server.join();
  for (const int fd : sockets_) close(fd);
}

std::vector<ScriptedPrimary::Message> ScriptedPrimary::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::vector<std::string> ScriptedPrimary::commands() const {
  const std::lock_guard lock(mutex_);
  return commands_;
}

size_t ScriptedPrimary::accepted() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(messages_.begin(), messages_.end(),
                                           [](const Message& m) { return m.accepted; }));
}

void ScriptedPrimary::Accept() {
  while (!stopping_) {
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    const int connection = connections_++;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(fd);
    servers_.emplace_back([this, fd, connection] {
      Serve(fd, connection);
      shutdown(fd, SHUT_RDWR);
    });
  }
}

std::string ScriptedPrimary::Decide(int connection, const std::string& command,
                                    const std::string& usual) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(command);
  }
  const std::string scripted = script_ ? script_(connection, command) : std::string();
  return scripted.empty() ? usual : scripted;
}

// False: the connection is over.
bool ScriptedPrimary::Say(int fd, const std::string& reply) {
  if (reply == kClose) return false;
  if (reply == kHang) {
    char octet;
    while (recv(fd, &octet, 1, 0) > 0) {
    }
    return false;
  }
  const std::string line = reply + "\r\n";
  if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0) return false;
  return !reply.starts_with("421") && !reply.starts_with("221");
}

void ScriptedPrimary::Serve(int fd, int connection) {
  Reader reader{fd, {}};
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!Say(fd, Decide(connection, "CONNECT", "220 primary.test ESMTP"))) return;
  Message message;
  std::string line;
  while (reader.Until("\r\n", &line)) {
    const std::string verb = line.substr(0, 4);
    std::string usual = "250 2.0.0 Ok";
    if (verb == "EHLO") usual = kHello;
    if (verb == "QUIT") usual = "221 2.0.0 Bye";
    if (verb == "DATA")
      usual = message.rcpt_lines.empty() ? "554 5.5.1 No valid recipients" : "354 Go";
    const std::string said = Decide(connection, line, usual);
    if (!Say(fd, said)) return;
    const bool positive = said[0] == '2';
    if (verb == "MAIL" && positive) message.mail_line = line;
    if (verb == "RCPT" && positive) message.rcpt_lines.push_back(line);
    if (verb == "RSET") message = Message();
    if (verb != "DATA" || said[0] != '3') continue;
    if (!ReceiveContent(fd, connection, reader, std::exchange(message, Message()))) return;
  }
}

bool ScriptedPrimary::ReceiveContent(int fd, int connection, Reader& reader, Message message) {
  reader.buffer.insert(0, "\r\n");  // so that a dot in the first line is found as any other
  std::string raw;
  if (!reader.Until("\r\n.\r\n", &raw)) return false;
  raw.append("\r\n");
  for (size_t at = raw.find("\r\n."); at != std::string::npos; at = raw.find("\r\n.", at + 2)) {
    raw.erase(at + 2, 1);
  }
  message.content = raw.substr(2);
  const std::string reply = Decide(connection, ".", "250 2.0.0 Ok: queued");
  message.accepted = reply[0] == '2';
  {  // before the client hears of it
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  return Say(fd, reply);
}

}  // namespace fermo::node
