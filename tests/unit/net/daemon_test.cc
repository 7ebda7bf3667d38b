#include "lib/net/daemon.h"

#include <google/protobuf/message.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/atomic_file.h"
#include "tests/unit/base/config_schema.h"

namespace fermo::net {
namespace {

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "fermo-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    file_ = directory_ + "/config.yaml";
    program_.name = "fermo-test";
    program_.description = "A program of the tests.";
    program_.config = config_.get();
    program_.check = [this](const ConfigSource& source) {
      FieldErrors errors(source);
      const auto* field = config_->GetDescriptor()->FindFieldByName("name");
      errors.Require("name", config_->GetReflection()->GetString(*config_, field));
      const auto* copies = config_->GetDescriptor()->FindFieldByName("copies");
      if (config_->GetReflection()->GetUInt32(*config_, copies) == 0) {
        config_->GetReflection()->SetUInt32(config_.get(), copies, 3);
      }
      return errors.ToStatus();
    };
    program_.run = [this](const std::string& config_file) {
      ran_with_ = config_file;
      return result_;
    };
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Configure(std::string_view yaml) { ASSERT_TRUE(WriteFileAtomically(file_, yaml).ok()); }

  int Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "fermo-test");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = RunDaemon(static_cast<int>(argv.size()), argv.data(), program_);
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }

  fermo::test::ConfigSchema schema_;
  std::unique_ptr<google::protobuf::Message> config_ = schema_.New();
  DaemonProgram program_;
  absl::Status result_;
  std::string directory_;
  std::string file_;
  std::string ran_with_;
  std::string out_;
  std::string err_;
};

TEST_F(DaemonTest, ItRunsWithACheckedConfigurationAndIgnoresSigpipe) {
  Configure("name: a\n");
  EXPECT_EQ(Start({"--config", file_}), 0);
  EXPECT_EQ(ran_with_, file_);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "");
  EXPECT_EQ(config_->ShortDebugString(), "name: \"a\" copies: 3");
  EXPECT_EQ(std::signal(SIGPIPE, SIG_DFL), SIG_IGN);
}

TEST_F(DaemonTest, AWrongConfigurationIsToldAndNothingRuns) {
  Configure("nmae: a\n");
  EXPECT_EQ(Start({"--config", file_}), 2);
  EXPECT_EQ(err_, file_ + ":1: nmae: unknown key; did you mean name?\n");
  EXPECT_EQ(ran_with_, "");
}

TEST_F(DaemonTest, CheckConfigOnlyChecks) {
  Configure("name: a\n");
  EXPECT_EQ(Start({"--config", file_, "--check-config"}), 0);
  EXPECT_EQ(err_, "");
  Configure("copies: 1\n");
  EXPECT_EQ(Start({"--check-config", "--config", file_}), 2);
  EXPECT_EQ(err_, file_ + ":1: name: is required\n");
  EXPECT_EQ(ran_with_, "");
}

TEST_F(DaemonTest, PrintConfigShowsTheDefaults) {
  Configure("name: a\n");
  EXPECT_EQ(Start({"--config", file_, "--print-config"}), 0);
  EXPECT_EQ(out_, "name: \"a\"\ncopies: 3\n");
  EXPECT_EQ(ran_with_, "");
}

TEST_F(DaemonTest, AMissingConfigurationFileIsNamed) {
  EXPECT_EQ(Start({"--config", file_}), 2);
  EXPECT_EQ(err_, file_ + ": cannot open: No such file or directory\n");
}

TEST_F(DaemonTest, WrongFlagsAreToldOnStderr) {
  EXPECT_EQ(Start({}), 2);
  EXPECT_NE(err_.find("--config is required"), std::string::npos) << err_;
  EXPECT_EQ(Start({"--config", file_, "--verbose"}), 2);
  EXPECT_NE(err_.find("--verbose"), std::string::npos) << err_;
  EXPECT_EQ(out_, "");
}

TEST_F(DaemonTest, VersionAndHelpNeedNoConfiguration) {
  EXPECT_EQ(Start({"--version"}), 0);
  EXPECT_EQ(out_, "fermo-test " + Version() + "\n");
  EXPECT_EQ(Start({"--help"}), 0);
  EXPECT_NE(out_.find("--print-config"), std::string::npos) << out_;
}

TEST_F(DaemonTest, AFailedStartIsOneLineAndOne) {
  Configure("name: a\n");
  result_ = absl::UnavailableError("listen on 127.0.0.1:25: Permission denied");
  EXPECT_EQ(Start({"--config", file_}), 1);
  EXPECT_EQ(err_, "fermo-test: listen on 127.0.0.1:25: Permission denied\n");
}

TEST_F(DaemonTest, AnExceptionIsOneLineAndOne) {
  Configure("name: a\n");
  program_.run = [](const std::string&) -> absl::Status {
    throw std::runtime_error("out of luck");
  };
  EXPECT_EQ(Start({"--config", file_}), 1);
  EXPECT_EQ(err_, "fermo-test: out of luck\n");
}

}  // namespace
}  // namespace fermo::net
