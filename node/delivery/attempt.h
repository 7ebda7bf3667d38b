// One attempt at one message: a transaction with the primary that carries all
// due legs of one route, and what follows from its end.
//
// Made by the route's worker, shared with the table of running attempts and
// with the announcement's callback; on the core executor. Order (design,
// section 4): announce the legs while the envelope and the content go out; wait
// before the final dot until W holders have acknowledged; ask once more whether
// the lease runs; dot. Whatever stops it before the dot closes the connection
// without the dot, so that the primary has no message. After the dot it waits
// for the reply even if ownership is lost: that a message was delivered is a
// fact. Nothing fails: the report says what to think of the route.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/cluster/route.h"
#include "lib/net/event.h"
#include "node/delivery/context.h"
#include "node/delivery/sha256.h"
#include "node/health/smtp_connection.h"

namespace fermo::node {

struct AttemptReport {
  cluster::AttemptResult result = cluster::AttemptResult::kAbandoned;
  std::string reason;
  bool connection_usable = false;  // for another message
};

class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  // `context` and `connection` (ready for MAIL) outlive Run. `reused`: it has
  // carried a message before, so that the server may have closed it meanwhile.
  Attempt(DeliveryContext& context, std::string route_name, TakenMessage message,
          SmtpConnection& connection, bool reused);

  // Once. Tells the owner and the queue how it ended.
  static net::Awaitable<AttemptReport> Run(std::shared_ptr<Attempt> self);

  // Ends it before the final dot, if that isn't sent.
  void Abandon();
  // Ends it even behind the dot: what the primary did stays unknown.
  void CloseConnection() { connection_.Close("we are going down"); }
  const MessageId& message() const { return message_.id; }

 private:
  enum class Stop { kNone, kNotPermitted, kDamaged };

  static net::Awaitable<void> Transact(std::shared_ptr<Attempt> self);
  static net::Awaitable<void> SendContent(std::shared_ptr<Attempt> self);
  static net::Awaitable<void> AwaitPermission(std::shared_ptr<Attempt> self);
  bool AddChunk(const std::string& chunk);
  void CheckContent();
  void Announce();
  bool StartTransaction();
  void Damaged(std::string why);
  void NotPermitted(std::string why);

  AttemptReport Conclude();
  LegResult Judge(uint32_t leg, const smtp::RecipientResult& recipient,
                  std::vector<spool::LegOutcome>& outcomes) const;
  LegResult::Kind KindOf(const smtp::RecipientResult& recipient) const;
  std::string ReasonOf(const smtp::RecipientResult& recipient) const;
  bool ClosedWhileIdle() const;
  cluster::AttemptResult Summarise(const smtp::TransactionResult& transaction) const;
  void Log(const std::vector<LegResult>& results, cluster::AttemptResult result,
           const smtp::TransactionResult& transaction);

  DeliveryContext& context_;
  const std::string route_name_;
  const TakenMessage message_;
  SmtpConnection& connection_;
  const bool reused_;
  const Instant started_ = BootClock::now();
  spool::MessageRecord record_;
  std::string first_chunk_;
  Sha256 digest_;
  uint64_t octets_ = 0;

  bool announced_ = false;
  bool abandoned_ = false;
  bool dot_sent_ = false;
  std::optional<AnnounceVerdict> verdict_;
  net::Event decided_;  // verdict_ is there, or abandoned_
  Stop stop_ = Stop::kNone;
  std::string stop_reason_;
};

}  // namespace fermo::node
