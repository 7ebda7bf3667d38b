// Immutable octets shared without copying: message content and records on
// their way to the disk and to several peers at once.
#pragma once

#include <memory>
#include <string>

namespace fermo {

// Never null where a contract says "bytes"; may be null where it says "optional".
using Bytes = std::shared_ptr<const std::string>;

inline Bytes MakeBytes(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace fermo
