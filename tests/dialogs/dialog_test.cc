// Runs the transcripts of this folder against ServerSession.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/dialogs/dialog.h"
#include "tests/unit/smtp/server_driver.h"

namespace fermo::smtp {
namespace {

const std::vector<Dialog>& Dialogs() {
  static const std::vector<Dialog> dialogs = LoadDialogs(FERMO_DIALOG_DIR);
  return dialogs;
}

absl::Status StatusNamed(const std::string& name) {
  if (name == "ok") return absl::OkStatus();
  if (name == "unavailable") return absl::UnavailableError("no node");
  if (name == "exhausted") return absl::ResourceExhaustedError("disk");
  return absl::UnknownError("lost");
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, "\r\n");
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// One run of one dialogue with the client's octets cut into pieces.
class DialogRun {
 public:
  explicit DialogRun(size_t piece) : piece_(piece), options_(ServerDriver::DefaultOptions()) {}

  void Run(const Dialog& dialog) {
    for (const DialogStep& step : dialog.steps) {
      SCOPED_TRACE(step.where);
      Take(step);
      if (testing::Test::HasFatalFailure()) return;
    }
    Send();
    NoMoreAnswers();
    ContentIsComplete();
    if (driver_) {
      EXPECT_EQ(driver_->violation(), "");
    }
  }

 private:
  void Take(const DialogStep& step) {
    if (step.kind == 'C') {
      if (unsent_.empty()) NoMoreAnswers();
      unsent_ += step.text;
      return;
    }
    if (step.kind != 'M') ContentIsComplete();
    if (step.kind == '!' && step.text.starts_with("set ")) return Set(step.text);
    Send();
    if (step.kind == 'S') return Expect(step.text);
    if (step.kind == '!') return Direct(step.text);
    ASSERT_FALSE(driver_->stored().empty()) << "no message is stored";
    if (step.kind == 'E') return ExpectEnvelope(step.text);
    ExpectContent(step);
  }

  ServerDriver& Driver() {
    if (!driver_) {
      driver_ = std::make_unique<ServerDriver>(options_);
      driver_->TakeReplies();
    }
    return *driver_;
  }

  void Send() {
    Driver().SendInPieces(unsent_, piece_);
    unsent_.clear();
    answers_ += driver_->TakeReplies();
  }

  void NoMoreAnswers() { EXPECT_EQ(answers_, "") << "answers that the dialogue doesn't list"; }

  void Expect(const std::string& wanted) {
    const size_t end = answers_.find("\r\n");
    ASSERT_NE(end, std::string::npos) << "no answer, expected: " << wanted;
    std::string line = answers_.substr(0, end);
    answers_.erase(0, end + 2);
    if (wanted.ends_with("...")) {
      EXPECT_EQ(line.substr(0, wanted.size() - 3) + "...", wanted);
    } else {
      EXPECT_EQ(line, wanted);
    }
  }

  void Set(const std::string& text) {
    std::istringstream words(text);
    std::string set, name;
    size_t value = 0;
    words >> set >> name >> value;
    ASSERT_EQ(driver_, nullptr) << "set comes first";
    if (name == "max_message_size") {
      options_.max_message_size = value;
    } else if (name == "max_recipients") {
      options_.max_recipients = value;
    } else if (name == "max_errors") {
      options_.max_errors = value;
    } else if (name == "default_domain") {
      options_.default_domain = "example.test";
    } else {
      FAIL() << "no option " << name;
    }
  }

  void Direct(const std::string& text) {
    std::istringstream words(text);
    std::string verb, argument;
    words >> verb >> argument;
    if (verb == "stored") {
      EXPECT_EQ(std::to_string(driver_->stored().size()), argument);
    } else if (verb == "closed") {
      EXPECT_TRUE(driver_->closed());
    } else if (verb == "timeout") {
      driver_->Timeout();
    } else if (verb == "drain") {
      driver_->Drain();
    } else if (verb == "open") {
      driver_->open_status = StatusNamed(argument);
    } else if (verb == "write") {
      driver_->write_status = StatusNamed(argument);
    } else if (verb == "commit") {
      driver_->commit_status = StatusNamed(argument);
    } else {
      FAIL() << "no directive " << verb;
    }
    answers_ += driver_->TakeReplies();
  }

  void ExpectEnvelope(const std::string& wanted) {
    const ServerEnvelope& envelope = driver_->stored().back().envelope;
    EXPECT_EQ(envelope.reverse_path + " > " + absl::StrJoin(envelope.forward_paths, ", "), wanted);
  }

  void ExpectContent(const DialogStep& step) {
    std::vector<std::string> trace = LinesOf(driver_->stored().back().content);
    size_t end = 1;
    while (end < trace.size() && trace[end].starts_with("\t")) ++end;
    if (step.kind == 'R') {
      trace.resize(end);
      EXPECT_EQ(std::count(trace.begin(), trace.end(), step.text), 1) << absl::StrJoin(trace, "\n");
      return;
    }
    if (!in_content_) next_line_ = end;
    in_content_ = true;
    ASSERT_LT(next_line_, trace.size()) << "the content has fewer lines";
    EXPECT_EQ(trace[next_line_++], step.text);
  }

  void ContentIsComplete() {
    if (!in_content_) return;
    in_content_ = false;
    EXPECT_EQ(next_line_, LinesOf(driver_->stored().back().content).size());
  }

  size_t piece_;
  ServerOptions options_;
  std::unique_ptr<ServerDriver> driver_;
  std::string unsent_;
  std::string answers_;
  bool in_content_ = false;
  size_t next_line_ = 0;
};

class DialogTest : public testing::TestWithParam<std::tuple<size_t, size_t>> {};

TEST_P(DialogTest, IsAnsweredAsWritten) {
  const auto& [index, piece] = GetParam();
  DialogRun run(piece);
  run.Run(Dialogs()[index]);
}

INSTANTIATE_TEST_SUITE_P(All, DialogTest,
                         testing::Combine(testing::Range(size_t{0}, Dialogs().size()),
                                          testing::Values(1, 7, 1 << 20)),
                         [](const auto& param) {
                           return Dialogs()[std::get<0>(param.param)].name + "_in_pieces_of_" +
                                  std::to_string(std::get<1>(param.param));
                         });

TEST(Dialogs, ThereAreEnoughOfThem) { EXPECT_GE(Dialogs().size(), 40u); }

}  // namespace
}  // namespace fermo::smtp
