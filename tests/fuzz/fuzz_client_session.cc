// The sending side against a server that says anything: every recipient gets
// one result, nothing is delivered without a 2yz to a final dot, and no more
// than a window of commands is outstanding.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/smtp/client_session.h"
#include "tests/fuzz/check.h"

namespace fermo::smtp {
namespace {

void CheckResult(const TransactionResult& result, bool dot_sent) {
  Check(result.recipients.size() == 3, "a result for each recipient");
  for (const RecipientResult& recipient : result.recipients) {
    const bool delivered = recipient.verdict == RecipientVerdict::kDelivered;
    const bool unknown = recipient.verdict == RecipientVerdict::kUnknown;
    Check(dot_sent || !(delivered || unknown), "nothing is delivered before the final dot");
    if (delivered) Check(recipient.reply && recipient.reply->positive(), "delivered by a 2yz");
    if (recipient.reply) {
      const std::string line = OneLine(*recipient.reply);
      Check(std::all_of(line.begin(), line.end(), [](char c) { return c >= 32 && c <= 126; }),
            "replies are clean");
    }
  }
}

void Turn(ClientSession& session) {
  if (session.phase() == ClientPhase::kReady) {
    if (auto result = session.TakeResult()) CheckResult(*result, session.final_dot_sent());
    ClientTransaction transaction;
    transaction.reverse_path = "a@b.test";
    transaction.forward_paths = {"x@y.test", "\"q q\"@y.test", "z@y.test"};
    transaction.size = 20;
    session.StartTransaction(transaction);
  } else if (session.phase() == ClientPhase::kContent) {
    Check(session.AddContent(".content\r\n").ok(), "clean content is taken");
    Check(session.SendFinalDot().ok(), "and ended");
  }
}

}  // namespace
}  // namespace fermo::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fermo::Check;
  using namespace fermo::smtp;
  if (size < 1) return 0;
  const size_t piece = 1 + data[0] % 64;
  ClientOptions options;
  options.helo_name = "node.test";
  ClientSession session(options);
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!input.empty() && session.phase() != ClientPhase::kEnded) {
    const size_t take = std::min(piece, input.size());
    session.Receive(input.substr(0, take));
    input.remove_prefix(take);
    Turn(session);
    Check(session.TakeOutput().size() <= 16384, "bounded window");
  }
  session.ConnectionLost("end of input");
  Check(session.phase() == ClientPhase::kEnded, "a lost connection ends the session");
  if (auto result = session.TakeResult()) CheckResult(*result, session.final_dot_sent());
  return 0;
}
