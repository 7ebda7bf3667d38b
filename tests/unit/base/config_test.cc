#include "lib/base/config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"
#include "lib/base/atomic_file.h"
#include "tests/unit/base/config_schema.h"

namespace fermo {
namespace {

class ConfigTest : public testing::Test {
 protected:
  // The message in protobuf's short text form, or the problems.
  std::string Read(std::string_view yaml) {
    auto message = schema_.New();
    const absl::Status read = ParseYaml(yaml, "f.yaml", message.get(), &source_);
    return read.ok() ? message->ShortDebugString() : std::string(read.message());
  }

  test::ConfigSchema schema_;
  ConfigSource source_;
};

TEST_F(ConfigTest, EveryKindOfFieldIsRead) {
  EXPECT_EQ(Read("name: alpha\n"
                 "insecure: true\n"
                 "copies: 3\n"
                 "offset: -5\n"
                 "ratio: 0.25\n"
                 "part: 0.5\n"
                 "small: -2147483648\n"
                 "large: 18446744073709551615\n"
                 "color: BLUE\n"
                 "raw: abc\n"
                 "inner:\n  level: debug\n  deeper: {count: 2}\n"
                 "servers: [a, 'b c']\n"
                 "ports:\n- 25\n- 587\n"
                 "flags: [true, false]\n"
                 "colors: [RED, BLUE]\n"
                 "inners:\n- level: x\n- count: 1\n"
                 "weights: {roma: 2}\n"
                 "parts:\n  one: {count: 4}\n"
                 "etcd: here\n"),
            "name: \"alpha\" insecure: true copies: 3 offset: -5 ratio: 0.25 color: BLUE "
            "inner { level: \"debug\" deeper { count: 2 } } servers: \"a\" servers: \"b c\" "
            "ports: 25 ports: 587 inners { level: \"x\" } inners { count: 1 } "
            "weights { key: \"roma\" value: 2 } parts { key: \"one\" value { count: 4 } } "
            "etcd: \"here\" small: -2147483648 large: 18446744073709551615 part: 0.5 "
            "raw: \"abc\" flags: true flags: false colors: RED colors: BLUE");
}

TEST_F(ConfigTest, ScalarsAreReadAsTheyStand) {
  EXPECT_EQ(Read("copies: 010\n"), "copies: 10") << "no octal";
  EXPECT_EQ(Read("name: no\n"), "name: \"no\"") << "a word is a word";
  EXPECT_EQ(Read("name: 0123\n"), "name: \"0123\"");
  EXPECT_EQ(Read("name: 1e3\n"), "name: \"1e3\"");
  EXPECT_EQ(Read("name: 'null'\n"), "name: \"null\"");
  EXPECT_EQ(Read("name: \"\"\n"), "");
  EXPECT_EQ(Read("name: [::1]:25\n").find("f.yaml:1"), 0u) << "brackets want quotes in YAML";
  EXPECT_EQ(Read("name: '[::1]:25'\n"), "name: \"[::1]:25\"");
}

TEST_F(ConfigTest, UnknownKeysAreRefusedAndTheNearestOneIsNamed) {
  EXPECT_EQ(Read("name: a\nnmae: b\n"), "f.yaml:2: nmae: unknown key; did you mean name?");
  EXPECT_EQ(Read("inner:\n  levl: x\n"), "f.yaml:2: inner.levl: unknown key; did you mean level?");
  EXPECT_EQ(Read("whatever: 1\n"), "f.yaml:1: whatever: unknown key");
  EXPECT_EQ(Read("inners:\n- level: x\n- what: 1\n"), "f.yaml:3: inners[1].what: unknown key");
  EXPECT_EQ(Read("\"a\\nb\": 1\n"), "f.yaml:1: a\\nb: unknown key");
}

TEST_F(ConfigTest, DuplicateKeysAreRefused) {
  EXPECT_EQ(Read("name: a\ncopies: 1\nname: b\n"),
            "f.yaml:3: name: duplicate key, first given on line 1");
  EXPECT_EQ(Read("weights: {a: 1, a: 2}\n"),
            "f.yaml:1: weights.a: duplicate key, first given on line 1");
}

TEST_F(ConfigTest, MistypedValuesAreRefused) {
  EXPECT_EQ(Read("insecure: yes\n"), "f.yaml:1: insecure: must be true or false");
  EXPECT_EQ(Read("insecure: 'true'\n"), "f.yaml:1: insecure: must be true or false");
  EXPECT_EQ(Read("insecure: True\n"), "f.yaml:1: insecure: must be true or false");
  const std::string number = "f.yaml:1: copies: must be a whole number from 0 to 4294967295";
  for (const char* value :
       {"three", "-1", "1.0", "0x10", "4294967296", "'3'", "1 2", "+1", "1_0"}) {
    EXPECT_EQ(Read(std::string("copies: ") + value + "\n"), number) << value;
  }
  EXPECT_EQ(Read("small: 2147483648\n"),
            "f.yaml:1: small: must be a whole number from -2147483648 to 2147483647");
  EXPECT_EQ(Read("ratio: half\n"), "f.yaml:1: ratio: must be a number");
  EXPECT_EQ(Read("color: green\n"), "f.yaml:1: color: must be one of RED, BLUE");
  EXPECT_EQ(Read("ports: [25, smtp]\n"),
            "f.yaml:1: ports[1]: must be a whole number from 0 to 4294967295");
}

TEST_F(ConfigTest, ValuesOfTheWrongShapeAreRefused) {
  EXPECT_EQ(Read("name: [a]\n"), "f.yaml:1: name: must be a single value");
  EXPECT_EQ(Read("name: {a: b}\n"), "f.yaml:1: name: must be a single value");
  EXPECT_EQ(Read("servers: a\n"), "f.yaml:1: servers: must be a list");
  EXPECT_EQ(Read("inner: a\n"), "f.yaml:1: inner: must be a block of keys and values");
  EXPECT_EQ(Read("inner: [a]\n"), "f.yaml:1: inner: must be a block of keys and values");
  EXPECT_EQ(Read("weights: [a]\n"), "f.yaml:1: weights: must be a block of keys and values");
  EXPECT_EQ(Read("- a\n"), "f.yaml:1: must be a block of keys and values");
  EXPECT_EQ(Read("word\n"), "f.yaml:1: must be a block of keys and values");
}

TEST_F(ConfigTest, KeysWithoutAValueAreRefused) {
  EXPECT_EQ(Read("name:\n"), "f.yaml:1: name: has no value");
  EXPECT_EQ(Read("name: ~\n"), "f.yaml:1: name: has no value");
  EXPECT_EQ(Read("name: null\n"), "f.yaml:1: name: has no value");
  EXPECT_EQ(Read("inner:\ncopies: 1\n"), "f.yaml:1: inner: has no value");
  EXPECT_EQ(Read("servers:\n- a\n-\n"), "f.yaml:2: servers[1]: has no value")
      << "an absent item has no line of its own: the list has";
}

TEST_F(ConfigTest, AnchorsAliasesMergeKeysAndTagsAreRefused) {
  EXPECT_EQ(Read("name: &a x\n"), "f.yaml:1: name: anchors are not allowed");
  EXPECT_EQ(Read("inner: &a\n  count: 1\n"), "f.yaml:1: inner: anchors are not allowed");
  EXPECT_EQ(Read("name: &a x\nservers: [*a]\n"),
            "f.yaml:1: name: anchors are not allowed\n"
            "f.yaml:2: servers[0]: aliases are not allowed");
  EXPECT_EQ(Read("inner:\n  <<: {count: 1}\n"), "f.yaml:2: inner: merge keys are not allowed");
  EXPECT_EQ(Read("name: !!str x\n"), "f.yaml:1: name: tags are not allowed");
  EXPECT_EQ(Read("inner: !foo {count: 1}\n"), "f.yaml:1: inner: tags are not allowed");
}

TEST_F(ConfigTest, KeysThatAreNotWordsAreRefused) {
  EXPECT_EQ(Read("inner:\n  ? [a, b]\n  : 1\n"), "f.yaml:2: inner: a key must be a word");
  EXPECT_EQ(Read("~: 1\n"), "f.yaml:1: a key must be a word");
  EXPECT_EQ(Read("'': 1\n"), "f.yaml:1: a key must be a word");
}

TEST_F(ConfigTest, OnlyOneOfAlternativesMayBeGiven) {
  EXPECT_EQ(Read("etcd: a\nembedded: b\n"),
            "f.yaml:2: embedded: cannot be given together with etcd");
}

TEST_F(ConfigTest, TextThatIsNotYamlIsRefusedWithItsLine) {
  EXPECT_EQ(Read("name: a\ninner: {count: 1\n").find("f.yaml:3: is not YAML: "), 0u);
  EXPECT_EQ(Read("name: a\n\tcopies: 1\n").find("f.yaml:2: is not YAML: "), 0u);
  EXPECT_EQ(Read(std::string(5000, '[')).find("f.yaml:1: is not YAML: "), 0u);
}

TEST_F(ConfigTest, EmptyFilesAndSecondDocumentsAreRefused) {
  EXPECT_EQ(Read(""), "f.yaml: is empty");
  EXPECT_EQ(Read("# nothing\n\n"), "f.yaml: is empty");
  EXPECT_EQ(Read("---\n"), "f.yaml: is empty");
  EXPECT_EQ(Read("name: a\n---\nname: b\n"), "f.yaml:3: a second document is not allowed");
  EXPECT_EQ(Read("---\nname: a\n"), "name: \"a\"") << "one may be marked";
}

TEST_F(ConfigTest, SeveralProblemsAreReportedTogetherInTheOrderOfTheFile) {
  EXPECT_EQ(Read("nmae: a\ncopies: x\ncopies: 1\ninsecure: maybe\n"),
            "f.yaml:1: nmae: unknown key; did you mean name?\n"
            "f.yaml:2: copies: must be a whole number from 0 to 4294967295\n"
            "f.yaml:3: copies: duplicate key, first given on line 2\n"
            "f.yaml:4: insecure: must be true or false");
}

TEST_F(ConfigTest, AFloodOfProblemsIsCutOff) {
  std::string yaml;
  for (int i = 0; i < 60; ++i) yaml += "unheard_of_" + std::to_string(i) + ": 1\n";
  const std::string problems = Read(yaml);
  EXPECT_EQ(std::count(problems.begin(), problems.end(), '\n'), 50);
  EXPECT_TRUE(problems.ends_with("f.yaml: and 10 more problems")) << problems;
}

TEST_F(ConfigTest, TheLinesOfKeysAreKept) {
  Read("name: a\ninner:\n  level: x\n  deeper:\n    count: 1\nservers:\n- a\n- b\n");
  EXPECT_EQ(source_.file(), "f.yaml");
  EXPECT_EQ(source_.LineOf("name"), 1);
  EXPECT_EQ(source_.LineOf("inner.deeper.count"), 5);
  EXPECT_EQ(source_.LineOf("servers[1]"), 8);
  EXPECT_EQ(source_.LineOf("servers[7]"), 6) << "the nearest above";
  EXPECT_EQ(source_.LineOf("inner.missing"), 2);
  EXPECT_EQ(source_.LineOf("missing"), 1);
  EXPECT_TRUE(source_.Has("inner.level"));
  EXPECT_FALSE(source_.Has("copies"));
}

TEST_F(ConfigTest, PrintedConfigurationReadsBackTheSame) {
  auto message = schema_.New();
  ASSERT_TRUE(
      ParseYaml("name: \"a: 'b' \\\"c\\\" é\\n\"\ncopies: 3\ninsecure: true\nratio: 0.1\n"
                "servers: ['no', '1']\ninner: {deeper: {count: 1}}\nweights: {a: 1}\n"
                "inners: [{level: x}, {count: 2}]\ncolor: BLUE\nlarge: 18446744073709551615\n",
                "f", message.get())
          .ok());
  const std::string yaml = ToYaml(*message);
  auto again = schema_.New();
  const absl::Status read = ParseYaml(yaml, "printed", again.get());
  ASSERT_TRUE(read.ok()) << read << "\n" << yaml;
  EXPECT_EQ(again->DebugString(), message->DebugString()) << yaml;
  EXPECT_NE(yaml.find("copies: 3\n"), std::string::npos) << yaml;
}

TEST_F(ConfigTest, FilesAreReadAndTheirTroubleIsNamed) {
  std::string pattern = (std::filesystem::temp_directory_path() / "fermo-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::string file = pattern + "/config.yaml";
  auto message = schema_.New();
  EXPECT_EQ(LoadYaml(file, message.get()).message(),
            file + ": cannot open: No such file or directory");
  EXPECT_EQ(LoadYaml(pattern, message.get()).message(), pattern + ": cannot read: Is a directory");
  ASSERT_TRUE(WriteFileAtomically(file, "name: a\n").ok());
  ASSERT_TRUE(LoadYaml(file, message.get()).ok());
  EXPECT_EQ(message->ShortDebugString(), "name: \"a\"");
  ASSERT_TRUE(WriteFileAtomically(file, std::string(kMaxConfigSize + 1, '#')).ok());
  EXPECT_EQ(LoadYaml(file, message.get()).message(), file + ": is larger than 1048576 octets");
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace fermo
