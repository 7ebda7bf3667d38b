# Compile flags and the three functions with which every folder declares
# itself: fermo_library, fermo_program, fermo_test.

add_library(fermo_flags INTERFACE)
target_compile_options(fermo_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wundef
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-missing-field-initializers>)
target_include_directories(fermo_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(fermo_flags INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ARRAY)
if(FERMO_SANITIZE)
  add_compile_options(-fsanitize=${FERMO_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FERMO_SANITIZE})
endif()
if(FERMO_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage of what the targets call
endif()
find_program(FERMO_MOLD mold)
if(FERMO_MOLD AND NOT FERMO_FUZZ)
  add_link_options(-fuse-ld=mold)
endif()

# fermo_library(NAME smtp SRCS a.cc b.cc DEPS fermo::base): static library
# fermo_smtp with the alias fermo::smtp.
function(fermo_library)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  add_library(fermo_${A_NAME} STATIC ${A_SRCS})
  add_library(fermo::${A_NAME} ALIAS fermo_${A_NAME})
  target_link_libraries(fermo_${A_NAME} PUBLIC ${A_DEPS} PRIVATE fermo_flags)
  target_include_directories(fermo_${A_NAME} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

# fermo_program(NAME fermo-node SRCS main.cc DEPS ...)
function(fermo_program)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${A_NAME} ${A_SRCS})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} fermo_flags)
endfunction()

# fermo_test(NAME smtp_test SRCS ... DEPS ... [LABEL unit]): one GoogleTest
# program, one CTest test.
function(fermo_test)
  cmake_parse_arguments(A "" "NAME;LABEL" "SRCS;DEPS" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  add_executable(${A_NAME} ${A_SRCS})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} GTest::gmock GTest::gtest_main fermo_flags)
  add_test(NAME ${A_NAME} COMMAND ${A_NAME})
  set_tests_properties(${A_NAME} PROPERTIES LABELS ${A_LABEL} TIMEOUT 300)
endfunction()
