// Small files that are either the old ones or the new ones, also after a power cut.
//
// Plain functions that block on the disk: not for an executor that serves
// sessions with large files. Errors name the file and what the system said.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fermo {

// Writes a new file beside `path`, syncs it, renames it over `path` and syncs
// the directory. When it returns ok the new content survives a power cut; when
// it fails, `path` holds what it held before, or, if only the last sync failed,
// either content. At most one writer per path at a time.
absl::Status WriteFileAtomically(const std::string& path, std::string_view octets);

// The whole file. NotFound if there is none; ResourceExhausted above `max_octets`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_octets = 64u << 20);

}  // namespace fermo
