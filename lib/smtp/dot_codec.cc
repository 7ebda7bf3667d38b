#include "lib/smtp/dot_codec.h"

namespace fermo::smtp {
namespace {

absl::Status BareOctet() {
  return absl::InvalidArgumentError("content with a bare CR, a bare LF or a NUL");
}

// Octets from `begin` that are neither CR nor LF nor NUL.
size_t PlainRun(std::string_view text, size_t begin) {
  size_t i = begin;
  while (i < text.size()) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c <= '\r' && (c == '\r' || c == '\n' || c == 0)) break;
    ++i;
  }
  return i - begin;
}

}  // namespace

bool DotDecoder::Decode(std::string_view& wire, std::string& content, size_t max_content) {
  while (!wire.empty() && content.size() < max_content) {
    if (state_ == State::kText) {
      size_t run = PlainRun(wire, 0);
      if (run > 0) {
        if (!bad_) {
          if (run > max_content - content.size()) run = max_content - content.size();
          content.append(wire.data(), run);
        }
        wire.remove_prefix(run);
        continue;
      }
    }
    const char octet = wire.front();
    wire.remove_prefix(1);
    if (DecodeSpecial(octet, content)) return true;
  }
  return false;
}

// One octet that matters to the line structure. A CR is held back until its
// LF comes; a dot at the start of a line until it is known not to be the final
// one. A CR that follows a CR makes the earlier one bare and may itself begin
// the CRLF: the true end is the octets CRLF.CRLF, wherever they stand.
bool DotDecoder::DecodeSpecial(char octet, std::string& content) {
  if (octet == '\0') bad_ = true;
  if (octet == '\r') {
    if (state_ == State::kCr || state_ == State::kDotCr) bad_ = true;
    state_ = state_ == State::kDot ? State::kDotCr : State::kCr;
    return false;
  }
  if (octet == '\n') {
    if (state_ == State::kDotCr) return true;
    if (state_ == State::kCr) {
      if (!bad_) content.append("\r\n");
      state_ = State::kLineStart;
      return false;
    }
    bad_ = true;
    state_ = State::kText;
    return false;
  }
  if (state_ == State::kCr || state_ == State::kDotCr) bad_ = true;  // that CR was bare
  if (state_ == State::kLineStart && octet == '.') {
    state_ = State::kDot;
    return false;
  }
  state_ = State::kText;  // behind kDot: the stuffed dot is gone
  if (!bad_) content += octet;
  return false;
}

absl::Status DotEncoder::Encode(std::string_view content, std::string& wire) {
  wire.reserve(wire.size() + content.size() + 16);
  size_t i = 0;
  while (i < content.size()) {
    if (state_ == State::kCr) {
      if (content[i] != '\n') return BareOctet();
      wire += '\n';
      state_ = State::kLineStart;
      ++i;
      continue;
    }
    if (state_ == State::kLineStart && content[i] == '.') wire += '.';
    const size_t run = PlainRun(content, i);
    if (run > 0) {
      wire.append(content.data() + i, run);
      i += run;
      state_ = State::kText;
    } else if (content[i] == '\r') {
      wire += '\r';
      state_ = State::kCr;
      ++i;
    } else {
      return BareOctet();
    }
  }
  return absl::OkStatus();
}

absl::Status DotEncoder::Finish(std::string& wire) {
  if (state_ == State::kCr) return BareOctet();
  wire += state_ == State::kText ? "\r\n.\r\n" : ".\r\n";
  state_ = State::kLineStart;
  return absl::OkStatus();
}

}  // namespace fermo::smtp
