// c-ares driven by Asio: internal to the resolver.
//
// Owned by the Resolver; every call on the strand it was made with. c-ares tells
// which of its sockets it wants to read or write; we wait for those with Asio and
// let it work. Questions whose asker has left stay until c-ares gives up on them.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lib/net/asio.h"
#include "lib/net/event.h"
#include "lib/net/resolver.h"

struct ares_channeldata;

namespace fermo::net::internal {

enum class DnsType : int { kA = 1, kMx = 15, kAaaa = 28 };

struct DnsQuestion {
  DnsQuestion(Executor strand, std::string question_name, DnsType question_type)
      : name(std::move(question_name)), type(question_type), answered(std::move(strand)) {}

  std::string name;
  DnsType type;
  int status = 0;      // an ARES_ code, once answered
  std::string packet;  // the reply, if status is ARES_SUCCESS
  Event answered;
};

struct AresSettings {
  std::vector<std::string> servers;  // "192.0.2.1:53"; empty: the system's
  Duration attempt_timeout{};
  int attempts = 0;
};

class AresChannel : public std::enable_shared_from_this<AresChannel> {
 public:
  static std::shared_ptr<AresChannel> Make(Executor strand);
  ~AresChannel();

  // Call once, before anything else.
  absl::Status Open(const AresSettings& settings);
  // Answers what is asked, and all that will be, with ARES_ECANCELLED.
  void Close();

  // Sets question->answered in the end, perhaps at once.
  void Ask(std::shared_ptr<DnsQuestion> question);
  size_t pending() const { return pending_; }

  // Empty if the name is not there.
  Resolver::Addresses FromHostsFile(const std::string& name) const;

 private:
  struct Socket;
  struct Asked;

  explicit AresChannel(Executor strand);
  static void OnSocketState(void* self, int fd, int readable, int writable);
  static void OnAnswer(void* asked, int status, int timeouts, unsigned char* packet, int size);
  void WatchSocket(int fd, bool readable, bool writable);
  void AwaitSocket(std::shared_ptr<Socket> socket);
  void Process(int readable, int writable);
  void AwaitTimeout();

  Executor strand_;
  ares_channeldata* channel_ = nullptr;
  std::map<int, std::shared_ptr<Socket>> sockets_;
  asio::steady_timer timer_;
  size_t pending_ = 0;
  bool closed_ = false;
};

// ARES_SUCCESS, ARES_ENODATA or ARES_EBADRESP.
int ParseAddresses(const DnsQuestion& question, Resolver::Addresses* addresses);
int ParseMx(const DnsQuestion& question, MxAnswer* answer);

}  // namespace fermo::net::internal
