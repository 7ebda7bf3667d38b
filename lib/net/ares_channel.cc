#include "lib/net/ares_channel.h"

#include <ares.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fermo::net::internal {
namespace {

constexpr int kClassIn = 1;

absl::Status AresError(int status, std::string_view what) {
  return absl::UnavailableError(absl::StrCat(std::string(what), ": ", ares_strerror(status)));
}

}  // namespace

// One of c-ares' sockets. c-ares owns and closes the descriptor: we only wait for it.
struct AresChannel::Socket {
  Socket(const Executor& strand, int fd) : descriptor(strand), number(fd) {
    ErrorCode ignored;
    descriptor.assign(fd, ignored);
  }
  asio::posix::stream_descriptor descriptor;
  int number;
  bool want_read = false;
  bool want_write = false;
  bool reading = false;  // an async_wait is pending
  bool writing = false;
  bool released = false;
};

// What c-ares gives back with the answer.
struct AresChannel::Asked {
  AresChannel* channel;  // valid unless the status is ARES_EDESTRUCTION
  std::shared_ptr<DnsQuestion> question;
};

std::shared_ptr<AresChannel> AresChannel::Make(Executor strand) {
  return std::shared_ptr<AresChannel>(new AresChannel(std::move(strand)));
}

AresChannel::AresChannel(Executor strand) : strand_(std::move(strand)), timer_(strand_) {}

AresChannel::~AresChannel() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

absl::Status AresChannel::Open(const AresSettings& settings) {
  // Counted by c-ares, never undone: gRPC uses the same library.
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return AresError(library, "c-ares");
  ares_options options = {};
  int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  options.flags = ARES_FLAG_NOALIASES;
  options.timeout = static_cast<int>(settings.attempt_timeout / std::chrono::milliseconds(1));
  options.tries = settings.attempts;
  options.sock_state_cb = OnSocketState;
  options.sock_state_cb_data = this;
  // The system's search domains belong to the system's servers.
  if (!settings.servers.empty()) mask |= ARES_OPT_DOMAINS;
  int status = ares_init_options(&channel_, &options, mask);
  if (status != ARES_SUCCESS) return AresError(status, "c-ares");
  if (!settings.servers.empty()) {
    const std::string list = absl::StrJoin(settings.servers, ",");
    status = ares_set_servers_ports_csv(channel_, list.c_str());
    if (status != ARES_SUCCESS) return AresError(status, "DNS servers " + list);
  }
  return absl::OkStatus();
}

void AresChannel::Close() {
  closed_ = true;
  ares_cancel(channel_);
  timer_.cancel();
}

void AresChannel::Ask(std::shared_ptr<DnsQuestion> question) {
  if (closed_) {
    question->status = ARES_ECANCELLED;
    question->answered.Set();
    return;
  }
  ++pending_;
  const std::string name = question->name;
  const int type = static_cast<int>(question->type);
  auto* asked = new Asked{this, std::move(question)};  // deleted by OnAnswer
  if (name.find('.') == std::string::npos && type != static_cast<int>(DnsType::kMx)) {
    ares_search(channel_, name.c_str(), kClassIn, type, OnAnswer, asked);
  } else {
    ares_query(channel_, name.c_str(), kClassIn, type, OnAnswer, asked);
  }
  AwaitTimeout();
}

void AresChannel::OnAnswer(void* asked, int status, int, unsigned char* packet, int size) {
  const std::unique_ptr<Asked> call(static_cast<Asked*>(asked));
  // The executor may be gone as well: nobody waits any more.
  if (status == ARES_EDESTRUCTION) return;
  --call->channel->pending_;
  DnsQuestion& question = *call->question;
  question.status = status;
  if (status == ARES_SUCCESS) {
    question.packet.assign(reinterpret_cast<const char*>(packet), static_cast<size_t>(size));
  }
  question.answered.Set();
}

void AresChannel::OnSocketState(void* self, int fd, int readable, int writable) {
  static_cast<AresChannel*>(self)->WatchSocket(fd, readable != 0, writable != 0);
}

void AresChannel::WatchSocket(int fd, bool readable, bool writable) {
  const auto found = sockets_.find(fd);
  if (!readable && !writable) {
    // c-ares closes it next. The number may come back for another socket, so
    // the waits that are still queued are told by `released`.
    if (found == sockets_.end()) return;
    found->second->released = true;
    found->second->descriptor.release();
    sockets_.erase(found);
    return;
  }
  std::shared_ptr<Socket>& socket = found != sockets_.end() ? found->second : sockets_[fd];
  if (!socket) socket = std::make_shared<Socket>(strand_, fd);
  socket->want_read = readable;
  socket->want_write = writable;
  AwaitSocket(socket);
}

void AresChannel::AwaitSocket(std::shared_ptr<Socket> socket) {
  using Descriptor = asio::posix::stream_descriptor;
  // Weak, so that a pending wait does not keep the channel: a cycle otherwise.
  const std::weak_ptr<AresChannel> weak = weak_from_this();
  if (socket->want_read && !socket->reading) {
    socket->reading = true;
    socket->descriptor.async_wait(Descriptor::wait_read, [weak, socket](const ErrorCode& error) {
      socket->reading = false;
      const auto self = weak.lock();
      if (error || socket->released || !self) return;
      self->Process(socket->number, ARES_SOCKET_BAD);
      if (!socket->released) self->AwaitSocket(socket);
    });
  }
  if (socket->want_write && !socket->writing) {
    socket->writing = true;
    socket->descriptor.async_wait(Descriptor::wait_write, [weak, socket](const ErrorCode& error) {
      socket->writing = false;
      const auto self = weak.lock();
      if (error || socket->released || !self) return;
      self->Process(ARES_SOCKET_BAD, socket->number);
      if (!socket->released) self->AwaitSocket(socket);
    });
  }
}

void AresChannel::Process(int readable, int writable) {
  ares_process_fd(channel_, readable, writable);
  AwaitTimeout();
}

void AresChannel::AwaitTimeout() {
  timeval next;
  if (closed_ || ares_timeout(channel_, nullptr, &next) == nullptr) {
    timer_.cancel();
    return;
  }
  // One millisecond more, or it would be early by a rounding and ask again at once.
  timer_.expires_after(std::chrono::seconds(next.tv_sec) +
                       std::chrono::microseconds(next.tv_usec + 1000));
  timer_.async_wait([weak = weak_from_this()](const ErrorCode& error) {
    const auto self = weak.lock();
    if (!error && self) self->Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

Resolver::Addresses AresChannel::FromHostsFile(const std::string& name) const {
  Resolver::Addresses addresses;
  for (const int family : {AF_INET, AF_INET6}) {
    hostent* host = nullptr;
    if (ares_gethostbyname_file(channel_, name.c_str(), family, &host) != ARES_SUCCESS) continue;
    for (char** entry = host->h_addr_list; *entry != nullptr; ++entry) {
      if (family == AF_INET) {
        asio::ip::address_v4::bytes_type octets;
        std::copy_n(*entry, octets.size(), octets.begin());
        addresses.emplace_back(asio::ip::address_v4(octets));
      } else {
        asio::ip::address_v6::bytes_type octets;
        std::copy_n(*entry, octets.size(), octets.begin());
        addresses.emplace_back(asio::ip::address_v6(octets));
      }
    }
    ares_free_hostent(host);
  }
  return addresses;
}

int ParseAddresses(const DnsQuestion& question, Resolver::Addresses* addresses) {
  constexpr int kMost = 64;  // more than anybody tries
  const auto* packet = reinterpret_cast<const unsigned char*>(question.packet.data());
  const int size = static_cast<int>(question.packet.size());
  int count = kMost;
  if (question.type == DnsType::kA) {
    ares_addrttl found[kMost];
    const int status = ares_parse_a_reply(packet, size, nullptr, found, &count);
    if (status != ARES_SUCCESS) return status;
    for (int i = 0; i < count; ++i) {
      addresses->emplace_back(asio::ip::address_v4(ntohl(found[i].ipaddr.s_addr)));
    }
  } else {
    ares_addr6ttl found[kMost];
    const int status = ares_parse_aaaa_reply(packet, size, nullptr, found, &count);
    if (status != ARES_SUCCESS) return status;
    for (int i = 0; i < count; ++i) {
      asio::ip::address_v6::bytes_type octets;
      std::copy_n(found[i].ip6addr._S6_un._S6_u8, octets.size(), octets.begin());
      addresses->emplace_back(asio::ip::address_v6(octets));
    }
  }
  return count > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

int ParseMx(const DnsQuestion& question, MxAnswer* answer) {
  const auto* packet = reinterpret_cast<const unsigned char*>(question.packet.data());
  ares_mx_reply* list = nullptr;
  const int status = ares_parse_mx_reply(packet, static_cast<int>(question.packet.size()), &list);
  if (status != ARES_SUCCESS) return status;
  size_t records = 0;
  for (const ares_mx_reply* mx = list; mx != nullptr; mx = mx->next) {
    ++records;
    const std::string host = mx->host;
    if (!host.empty() && host != ".") answer->hosts.push_back({mx->priority, host});
  }
  ares_free_data(list);
  // RFC 7505: "." means no mail only where it is the only record.
  answer->null_mx = records > 0 && answer->hosts.empty();
  std::stable_sort(answer->hosts.begin(), answer->hosts.end(),
                   [](const MxHost& a, const MxHost& b) { return a.preference < b.preference; });
  return ARES_SUCCESS;
}

}  // namespace fermo::net::internal
