// The Deliverer against Postfix's smtp-sink: mail in numbers, and the faults
// that smtp-sink knows how to have. Skipped where Postfix isn't installed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "lib/base/host_port.h"
#include "tests/unit/delivery/harness.h"

namespace fermo::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kSink[] = "/usr/sbin/smtp-sink";

// One smtp-sink process, ended with the object.
class Sink {
 public:
  Sink(uint16_t port, std::vector<std::string> options) {
    std::vector<std::string> words = {kSink, "-u", "nobody"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back(ToString(HostPort{"127.0.0.1", port}));
    words.push_back("100");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      execv(kSink, argv.data());
      _exit(127);
    }
  }
  ~Sink() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

class SinkTest : public DelivererTest {
 protected:
  void SetUp() override {
    if (access(kSink, X_OK) != 0) GTEST_SKIP() << kSink << " is not installed";
    chmod(directory_.c_str(), 0755);
    std::filesystem::create_directory(Dumps());
    chmod(Dumps().c_str(), 0777);
    RouteTo("a.test", port_);
  }
  std::string Dumps() const { return directory_ + "/dumps"; }
  std::string Numbered(int number, size_t size) const {
    return "X-Number: " + std::to_string(number) + "\r\n\r\n" + std::string(size, 'x') + "\r\n";
  }
  // The numbers found in the files that smtp-sink wrote, each as often as it was found.
  std::multiset<int> Arrived() const {
    std::multiset<int> numbers;
    for (const auto& entry : std::filesystem::directory_iterator(Dumps())) {
      std::ifstream file(entry.path());
      std::string line;
      while (std::getline(file, line)) {
        if (line.starts_with("X-Number: ")) numbers.insert(std::stoi(line.substr(10)));
      }
    }
    return numbers;
  }
  uint16_t port_ = UnusedPort();
};

TEST_F(SinkTest, DeliversTwoThousandMessagesOnceEach) {
  const Sink sink(port_, {"-d", Dumps() + "/%M."});
  Start();
  constexpr int kMessages = 2000;
  for (int i = 0; i < kMessages; ++i) Put({"u@a.test"}, Numbered(i, 500));
  const Instant begun = BootClock::now();
  ASSERT_TRUE(RunUntil([&] { return delivered() == kMessages; }, seconds(60)));
  const double taken = std::chrono::duration<double>(BootClock::now() - begun).count();
  std::cerr << "delivered " << static_cast<int>(kMessages / taken) << " messages a second\n";
  const std::multiset<int> arrived = Arrived();
  EXPECT_EQ(arrived.size(), static_cast<size_t>(kMessages));
  EXPECT_EQ(std::set<int>(arrived.begin(), arrived.end()).size(), static_cast<size_t>(kMessages));
  EXPECT_EQ(deliverer_->Totals().legs, 0U);
}

struct Fault {
  const char* name;
  std::vector<std::string> options;
};

class FaultTest : public SinkTest, public testing::WithParamInterface<Fault> {};

TEST_P(FaultTest, KeepsAllMailAndDeliversItWhenTheFaultIsGone) {
  options_.route.probe_interval = milliseconds(100);
  options_.queue.retry_first = milliseconds(200);
  options_.queue.retry_max = milliseconds(400);
  options_.queue.broken_first = milliseconds(100);
  for (Duration* timeout :
       {&options_.connection.timeouts.greeting, &options_.connection.timeouts.hello,
        &options_.connection.timeouts.data, &options_.connection.timeouts.block,
        &options_.connection.timeouts.final_dot}) {
    *timeout = milliseconds(500);
  }
  Start();
  constexpr int kMessages = 5;
  for (int i = 0; i < kMessages; ++i) Put({"u@a.test"}, Numbered(i, 300000));
  {
    const Sink faulty(port_, GetParam().options);
    RunFor(milliseconds(1200));
    EXPECT_EQ(delivered(), 0U);
    EXPECT_EQ(deliverer_->Totals().messages, static_cast<uint64_t>(kMessages));
  }
  const Sink sound(port_, {"-d", Dumps() + "/%M."});
  EXPECT_TRUE(RunUntil([&] { return delivered() == kMessages; }, seconds(15)));
  EXPECT_EQ(Arrived().size(), static_cast<size_t>(kMessages));
}

INSTANTIATE_TEST_SUITE_P(
    Known, FaultTest,
    testing::Values(
        Fault{"DisconnectsAtConnect", {"-q", "CONNECT"}},
        Fault{"DisconnectsAtData", {"-q", "DATA"}}, Fault{"DisconnectsAtFinalDot", {"-q", "."}},
        Fault{"Says421AtConnect", {"-Q", "CONNECT"}}, Fault{"Says421AtMail", {"-Q", "MAIL"}},
        Fault{"Says421AtFinalDot", {"-Q", "."}}, Fault{"SaysFourAtConnect", {"-r", "CONNECT"}},
        Fault{"SaysFourAtRcpt", {"-r", "RCPT"}}, Fault{"SaysFourAtFinalDot", {"-r", "."}},
        Fault{"SaysFiveAtConnect", {"-f", "CONNECT"}}, Fault{"SaysFiveAtRcpt", {"-f", "RCPT"}},
        Fault{"SaysFiveAtFinalDot", {"-f", "."}}, Fault{"AbortsAmidTheContent", {"-A", "0"}},
        Fault{"StallsAmidTheContent", {"-H", "60", "-T", "4096"}}),
    [](const auto& fault) { return fault.param.name; });

}  // namespace
}  // namespace fermo::node
