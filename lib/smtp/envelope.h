// The envelope's parts that both ends of SMTP speak of. Values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fermo::smtp {

// The BODY parameter of MAIL (RFC 6152 section 3).
enum class BodyType : uint8_t { kUnspecified = 0, k7Bit = 1, k8BitMime = 2 };

// The largest piece of content that leaves a session at once, in octets.
inline constexpr size_t kMaxContentChunk = size_t{256} * 1024;

}  // namespace fermo::smtp
