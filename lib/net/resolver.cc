// The coroutines of the resolver; the meeting of c-ares and Asio is in
// ares_channel.cc.
#include "lib/net/resolver.h"

#include <ares.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/net/ares_channel.h"

namespace fermo::net {

using internal::AresChannel;
using internal::DnsQuestion;
using internal::DnsType;

// How long the addresses of one family wait for those of the other: there are
// servers that never answer AAAA.
constexpr Duration kOtherFamily = std::chrono::seconds(1);

// Everything but the constructor runs on the strand.
class Resolver::Impl {
 public:
  Impl(Executor executor, size_t max_pending)
      : strand_(asio::make_strand(std::move(executor))),
        channel_(AresChannel::Make(strand_)),
        max_pending_(max_pending) {}

  const Executor& strand() const { return strand_; }
  AresChannel& channel() { return *channel_; }

  static Awaitable<absl::StatusOr<Addresses>> Resolve(std::shared_ptr<Impl> self, std::string name,
                                                      Duration timeout);
  static Awaitable<absl::StatusOr<MxAnswer>> ResolveMx(std::shared_ptr<Impl> self, std::string name,
                                                       Duration timeout);

 private:
  using Questions = std::vector<std::shared_ptr<DnsQuestion>>;
  static Awaitable<absl::Status> AskAll(std::shared_ptr<Impl> self, Questions questions,
                                        Duration timeout);

  Executor strand_;
  std::shared_ptr<AresChannel> channel_;
  size_t max_pending_;
};

namespace {

// What the answer says about the name. Only NXDOMAIN says that it doesn't exist.
absl::Status Verdict(const std::string& name, int status) {
  switch (status) {
    case ARES_SUCCESS:
      return absl::OkStatus();
    case ARES_ENOTFOUND:
      return absl::NotFoundError(name + ": no such name");
    case ARES_ENODATA:
      return absl::FailedPreconditionError(name + ": the name has no such record");
    case ARES_ECANCELLED:
      return absl::CancelledError(name + ": the resolver was closed");
    case ARES_EBADNAME:
      return absl::InvalidArgumentError(name + ": not a name");
    default:
      return absl::UnavailableError(absl::StrCat(name, ": DNS: ", ares_strerror(status)));
  }
}

absl::Status NotInTime(const DnsQuestion& question) {
  return absl::DeadlineExceededError(question.name + ": no answer from DNS in time");
}

absl::StatusOr<Resolver::Addresses> AddressesOf(const DnsQuestion& question) {
  if (!question.answered.is_set()) return NotInTime(question);
  Resolver::Addresses addresses;
  int status = question.status;
  if (status == ARES_SUCCESS) status = internal::ParseAddresses(question, &addresses);
  if (status != ARES_SUCCESS) return Verdict(question.name, status);
  return addresses;
}

// The two answers as one. Any address will do; a name that doesn't exist has no
// records of either type; otherwise trouble with one question outweighs "no such
// record" for the other, since the address may be just what was not answered.
absl::StatusOr<Resolver::Addresses> Combine(const std::string& name,
                                            const absl::StatusOr<Resolver::Addresses>& v4,
                                            const absl::StatusOr<Resolver::Addresses>& v6) {
  Resolver::Addresses all;
  if (v4.ok()) all = *v4;
  if (v6.ok()) all.insert(all.end(), v6->begin(), v6->end());
  if (!all.empty()) return all;
  for (const auto& answer : {v4.status(), v6.status()}) {
    if (absl::IsNotFound(answer)) return answer;
  }
  for (const auto& answer : {v4.status(), v6.status()}) {
    if (!answer.ok() && !absl::IsFailedPrecondition(answer)) return answer;
  }
  return absl::FailedPreconditionError(absl::StrCat(name, ": the name has no address"));
}

std::optional<Resolver::Addresses> WithoutDns(const std::string& host) {
  ErrorCode not_literal;
  const asio::ip::address literal = asio::ip::make_address(host, not_literal);
  if (!not_literal) return Resolver::Addresses{literal};
  if (host == "localhost" || host.ends_with(".localhost")) {  // RFC 6761 6.3
    return Resolver::Addresses{asio::ip::address_v4::loopback(), asio::ip::address_v6::loopback()};
  }
  return std::nullopt;
}

// Lower case, no final dot; only what a host name may hold.
absl::StatusOr<std::string> CheckedName(const std::string& name) {
  absl::StatusOr<HostPort> parsed = ParseHostPort(name, 0);
  if (!parsed.ok() || name.find(':') != std::string::npos) {
    return absl::InvalidArgumentError("not a host name");
  }
  return parsed->host;
}

}  // namespace

// DeadlineExceeded when a question was not answered; others may have been.
Awaitable<absl::Status> Resolver::Impl::AskAll(std::shared_ptr<Impl> self, Questions questions,
                                               Duration timeout) {
  if (self->channel_->pending() + questions.size() > self->max_pending_) {
    co_return absl::ResourceExhaustedError("too many DNS questions wait for their answers");
  }
  for (const auto& question : questions) self->channel_->Ask(question);
  auto end = std::chrono::steady_clock::now() + timeout;
  absl::Status result;
  for (const auto& question : questions) {
    const Duration left = end - std::chrono::steady_clock::now();
    const bool answered = co_await question->answered.WaitFor(left);
    if (answered) {
      if (!AddressesOf(*question).ok()) continue;
      const auto soon = std::chrono::steady_clock::now() + kOtherFamily;
      if (soon < end) end = soon;
      continue;
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return absl::CancelledError(question->name + ": cancelled");
    }
    result = NotInTime(*question);
  }
  co_return result;
}

Awaitable<absl::StatusOr<Resolver::Addresses>> Resolver::Impl::Resolve(std::shared_ptr<Impl> self,
                                                                       std::string name,
                                                                       Duration timeout) {
  Addresses known = self->channel_->FromHostsFile(name);
  if (!known.empty()) co_return known;
  auto v4 = std::make_shared<DnsQuestion>(self->strand_, name, DnsType::kA);
  auto v6 = std::make_shared<DnsQuestion>(self->strand_, name, DnsType::kAaaa);
  Questions questions;
  questions.push_back(v4);
  questions.push_back(v6);
  absl::Status asked = co_await AskAll(self, std::move(questions), timeout);
  const bool half =
      absl::IsDeadlineExceeded(asked) && (v4->answered.is_set() || v6->answered.is_set());
  if (!asked.ok() && !half) co_return asked;
  absl::StatusOr<Addresses> result = Combine(name, AddressesOf(*v4), AddressesOf(*v6));
  const bool local_name = name.find('.') == std::string::npos;
  if (local_name &&
      (absl::IsNotFound(result.status()) || absl::IsFailedPrecondition(result.status()))) {
    co_return absl::UnavailableError(name + ": no such name in /etc/hosts or the search domains");
  }
  co_return result;
}

Awaitable<absl::StatusOr<MxAnswer>> Resolver::Impl::ResolveMx(std::shared_ptr<Impl> self,
                                                              std::string name, Duration timeout) {
  auto question = std::make_shared<DnsQuestion>(self->strand_, name, DnsType::kMx);
  Questions questions;
  questions.push_back(question);
  absl::Status asked = co_await AskAll(self, std::move(questions), timeout);
  if (!asked.ok()) co_return asked;
  MxAnswer answer;
  if (question->status == ARES_SUCCESS) question->status = internal::ParseMx(*question, &answer);
  if (question->status == ARES_ENODATA) co_return answer;
  absl::Status verdict = Verdict(question->name, question->status);
  if (!verdict.ok()) co_return verdict;
  co_return answer;
}

absl::StatusOr<std::unique_ptr<Resolver>> Resolver::Create(Executor executor, Options options) {
  auto impl = std::make_shared<Impl>(std::move(executor), options.max_pending);
  internal::AresSettings settings;
  settings.attempt_timeout = options.attempt_timeout;
  settings.attempts = options.attempts;
  for (const HostPort& server : options.servers) {
    if (!IsIpLiteral(server.host)) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToString(server), ": a DNS server must be given by its address"));
    }
    settings.servers.push_back(ToString(server));
  }
  absl::Status ready = impl->channel().Open(settings);
  if (!ready.ok()) return ready;
  return std::unique_ptr<Resolver>(new Resolver(std::move(impl)));
}

Resolver::~Resolver() { Close(); }

void Resolver::Close() {
  asio::post(impl_->strand(), [impl = impl_] { impl->channel().Close(); });
}

Awaitable<absl::StatusOr<Resolver::Addresses>> Resolver::Resolve(std::string host,
                                                                 Duration timeout) {
  std::shared_ptr<Impl> impl = impl_;
  std::optional<Addresses> known = WithoutDns(host);
  if (known) co_return *std::move(known);
  absl::StatusOr<std::string> name = CheckedName(host);
  if (!name.ok()) co_return name.status();
  known = WithoutDns(*name);
  if (known) co_return *std::move(known);
  co_return co_await asio::co_spawn(impl->strand(), Impl::Resolve(impl, *name, timeout),
                                    asio::use_awaitable);
}

Awaitable<absl::StatusOr<MxAnswer>> Resolver::ResolveMx(std::string domain, Duration timeout) {
  std::shared_ptr<Impl> impl = impl_;
  absl::StatusOr<std::string> name = CheckedName(domain);
  if (!name.ok()) co_return name.status();
  co_return co_await asio::co_spawn(impl->strand(), Impl::ResolveMx(impl, *name, timeout),
                                    asio::use_awaitable);
}

}  // namespace fermo::net
