// The limits of what a record may hold. Whoever makes a record keeps to them
// (CheckLimits in record.h says so before anything is accepted), because
// decoding refuses what exceeds them. Constants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fermo::spool {

// RFC 5321 section 4.5.3.1.8 asks for at least 100 recipients; section
// 4.5.3.1.3 ends a path at 256 octets. A record at its limits, some 520 kB,
// still fits into one message between nodes.
inline constexpr size_t kMaxForwardPaths = 1000;
inline constexpr size_t kMaxPathOctets = 512;
inline constexpr size_t kMaxHeloOctets = 512;
inline constexpr size_t kMaxClientAddressOctets = 64;
inline constexpr size_t kMaxReplyOctets = 512;
// Legs of a message: one for each forward-path and the DSNs about each of those.
inline constexpr size_t kMaxLegs = 4 * kMaxForwardPaths;
inline constexpr uint32_t kMaxChunkOctets = 256 * 1024;
inline constexpr uint32_t kMaxChunks = 1 << 20;

}  // namespace fermo::spool
