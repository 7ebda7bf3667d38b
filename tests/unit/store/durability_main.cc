#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "tests/unit/store/writing_child.h"

// store_durability_test --write-until-killed DIRECTORY FIRST_SEQ REPORT_FD is
// the child that the tests start; without arguments it is the tests.
int main(int argc, char** argv) {
  if (argc == 5 && std::string_view(argv[1]) == "--write-until-killed") {
    fermo::node::RunWritingChild(argv[2], static_cast<uint32_t>(std::atoi(argv[3])),
                                 std::atoi(argv[4]));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
