#include "lib/smtp/dot_codec.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace fermo::smtp {
namespace {

using namespace std::string_literals;

struct Decoded {
  std::string content;
  bool ended = false;
  bool bad = false;
  std::string rest;
  bool operator==(const Decoded&) const = default;
};

Decoded Decode(const std::string& wire, size_t piece = 1 << 20, size_t max_content = 1 << 20) {
  DotDecoder decoder;
  Decoded result;
  size_t i = 0;
  while (i < wire.size() && !result.ended) {
    std::string_view view = std::string_view(wire).substr(i, piece);
    const size_t before = view.size();
    std::string content;
    result.ended = decoder.Decode(view, content, max_content);
    EXPECT_LE(content.size(), max_content + 3);
    result.content += content;
    i += before - view.size();
  }
  result.bad = decoder.bad();
  result.rest = wire.substr(i);
  return result;
}

TEST(DotDecoder, EndsAtTheFinalDotAndKeepsWhatFollows) {
  EXPECT_EQ(Decode("a\r\nb\r\n.\r\nQUIT\r\n"), (Decoded{"a\r\nb\r\n", true, false, "QUIT\r\n"}));
  EXPECT_EQ(Decode(".\r\nX"), (Decoded{"", true, false, "X"}));
}

TEST(DotDecoder, TakesStuffedDotsAway) {
  EXPECT_EQ(Decode("..\r\n...\r\n.a\r\na.\r\n..b\r\n.\r\n").content,
            ".\r\n..\r\na\r\na.\r\n.b\r\n");
}

// Attack list A1 of the smuggling scanners: none of these ends the content.
const std::string kFalseEnds[] = {
    "\n.\n"s,     "\n.\r\n"s,     "\r\n.\n"s,     "\r.\r"s,       "\r.\n"s,       "\n.\r"s,
    "\r.\r\n"s,   "\r\n.\rx"s,    "\r\n\0.\r\n"s, "\r\n.\0\r\n"s, "\r\n.\r\r\n"s, "\r\r\n.\r\r\n"s,
    "\n\n.\n\n"s, "\r\n.\n\r\n"s, "\r\n.\r\0\n"s, "\r\n.\n.\n"s,  "\n.\r\n.\n"s,  "\r\r.\r\r\n"s,
};

TEST(DotDecoder, NoFalseEndEndsTheContentAndEachMakesItBad) {
  for (const std::string& end : kFalseEnds) {
    const std::string smuggled = "MAIL FROM:<evil@evil.test>\r\n";
    const Decoded got = Decode("text" + end + smuggled + "\r\n.\r\nNOOP\r\n");
    EXPECT_TRUE(got.ended) << testing::PrintToString(end);
    EXPECT_TRUE(got.bad) << testing::PrintToString(end);
    EXPECT_EQ(got.rest, "NOOP\r\n") << testing::PrintToString(end);
  }
}

TEST(DotDecoder, HarmlessLookAlikesPassUnchanged) {
  // A space, NEL, and two octets that some decoders take for CR LF.
  const std::string text = "a\r\n \r\n. \r\nb\xc2\x85.\xc2\x85\r\n\x8d\x8a.\x8d\x8a\r\n";
  const Decoded got = Decode("a\r\n \r\n.. \r\nb\xc2\x85.\xc2\x85\r\n\x8d\x8a.\x8d\x8a\r\n.\r\n");
  EXPECT_EQ(got, (Decoded{text, true, false, ""}));
}

TEST(DotDecoder, TheOctetsCrLfDotCrLfEndEvenBehindAStrayCr) {
  const Decoded got = Decode("a\r\r\n.\r\nrest");
  EXPECT_TRUE(got.ended);
  EXPECT_TRUE(got.bad);
  EXPECT_EQ(got.rest, "rest");
}

TEST(DotDecoder, GivesTheSameForEveryCutAndEveryLimit) {
  std::string everything = "..stuffed\r\n.x\r\n\r\nplain\r\n";
  std::vector<std::string> wires = {everything + ".\r\nNOOP\r\n"};
  for (const std::string& end : kFalseEnds) wires.push_back(everything + end + "\r\n.\r\nNOOP\r\n");
  for (const std::string& wire : wires) {
    const Decoded whole = Decode(wire);
    for (size_t piece = 1; piece <= wire.size(); ++piece) {
      EXPECT_EQ(Decode(wire, piece), whole) << testing::PrintToString(wire) << piece;
    }
    for (size_t limit = 1; limit < 40; ++limit) EXPECT_EQ(Decode(wire, 1 << 20, limit), whole);
  }
}

// Attack A3: a line as long as somebody's buffer, then a dot that isn't at the
// start of a line.
TEST(DotDecoder, ADotBehindALongLineIsNoEnd) {
  for (size_t length : {997, 998, 999, 1000, 1022, 1023, 1024, 2048, 4096, 8192, 16384, 65536}) {
    const std::string wire = std::string(length, 'x') + ".\r\nmore\r\n.\r\n";
    for (size_t piece : {size_t{512}, size_t{1000}, size_t{1024}, length, size_t{1} << 20}) {
      const Decoded got = Decode(wire, piece);
      EXPECT_EQ(got.content, std::string(length, 'x') + ".\r\nmore\r\n") << length;
      EXPECT_FALSE(got.bad);
    }
  }
}

TEST(DotDecoder, ResetForgetsABadMessage) {
  DotDecoder decoder;
  std::string content;
  std::string_view bad = "a\nb\r\n.\r\n";
  EXPECT_TRUE(decoder.Decode(bad, content, 100));
  EXPECT_TRUE(decoder.bad());
  decoder.Reset();
  content.clear();
  std::string_view good = "ok\r\n.\r\n";
  EXPECT_TRUE(decoder.Decode(good, content, 100));
  EXPECT_FALSE(decoder.bad());
  EXPECT_EQ(content, "ok\r\n");
}

std::optional<std::string> Encode(const std::string& content, size_t piece = 1 << 20) {
  DotEncoder encoder;
  std::string wire;
  for (size_t i = 0; i < content.size(); i += piece) {
    if (!encoder.Encode(std::string_view(content).substr(i, piece), wire).ok()) return std::nullopt;
  }
  if (!encoder.Finish(wire).ok()) return std::nullopt;
  return wire;
}

TEST(DotEncoder, StuffsDotsAndEndsTheLastLineOnlyIfNeeded) {
  EXPECT_EQ(Encode("a\r\n.b\r\n..\r\nc.\r\n"), "a\r\n..b\r\n...\r\nc.\r\n.\r\n");
  EXPECT_EQ(Encode("no end"), "no end\r\n.\r\n");
  EXPECT_EQ(Encode(""), ".\r\n");
  EXPECT_EQ(Encode("."), "..\r\n.\r\n");
}

TEST(DotEncoder, RefusesBareCrLfAndNul) {
  for (const std::string& text :
       {"a\nb"s, "a\rb"s, "a\0b"s, "\n"s, "a\r"s, "a\r\r\n"s, "a\r\n\n"s}) {
    EXPECT_FALSE(Encode(text).has_value()) << testing::PrintToString(text);
    EXPECT_FALSE(Encode(text, 1).has_value()) << testing::PrintToString(text);
  }
}

TEST(DotEncoder, DecodesToWhatItWasGivenForEveryCut) {
  const std::string content = ".\r\n..\r\nx\r\n\r\n.x.\r\n" + std::string(3000, '.') + "\r\n";
  for (size_t piece : {1, 2, 3, 5, 7, 100, 4096}) {
    const auto wire = Encode(content, piece);
    ASSERT_TRUE(wire.has_value());
    EXPECT_EQ(Decode(*wire), (Decoded{content, true, false, ""}));
  }
}

}  // namespace
}  // namespace fermo::smtp
