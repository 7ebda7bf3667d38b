// How a fuzz target says that a promise was broken.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace fermo {

inline void Check(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace fermo
