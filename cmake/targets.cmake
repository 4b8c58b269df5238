# Every room of the house is one static library. What a room may use is what it links, so the link
# lines below each room are the architecture; tests/layers checks the #include lines against them.

function(runner_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                           -Woverloaded-virtual -Wimplicit-fallthrough)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False for "literal" + std::string when optimised: gcc.gnu.org/PR105651.
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Lock discipline, from the annotations of common/mutex.h.
    target_compile_options(${target} PRIVATE -Wthread-safety -Wthread-safety-beta)
  endif()
  if(RUNNER_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# What only tests are made of: its sources are compiled ten at a time, as one. Nearly all of what a
# test file takes, 10 to 25 seconds, goes to gmock, gRPC, nlohmann and the standard library; each
# more in the same unit takes 2. Ten of the end-to-end tests take 40 seconds and 1 GB. The price:
# the files of one program share one anonymous namespace. Products are not compiled so: what a file keeps to itself stays so.
function(runner_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${RUNNER_UNITY} UNITY_BUILD_BATCH_SIZE 10)
endfunction()

# runner_library(name SOURCES a.cc ... LINKS lib ...)
function(runner_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_LINKS})
  runner_warnings(${name})
endfunction()

# runner_program(name SOURCES a.cc ... LINKS lib ...)
function(runner_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINKS})
  runner_warnings(${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# runner_test(name SOURCES a.cc ... LINKS lib ... [TIMEOUT seconds] [LABEL label] [SERIAL])
# One test program; each of its cases is a ctest of its own with a time limit, since a deadlock
# fails nothing by itself. SERIAL: each runs while nothing else does.
function(runner_test name)
  cmake_parse_arguments(arg "SERIAL" "TIMEOUT;LABEL" "SOURCES;LINKS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(RUNNER_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 3")
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} GTest::gmock GTest::gtest_main)
  runner_warnings(${name})
  runner_unity(${name})
  if(RUNNER_SANITIZE)
    # What is tested is optimised; optimising the cases themselves only takes compile time, half of
    # it.
    target_compile_options(${name} PRIVATE -O0)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  include(GoogleTest)
  gtest_discover_tests(${name} TEST_PREFIX "${RUNNER_TEST_PREFIX}${arg_LABEL}."
                       DISCOVERY_MODE PRE_TEST
                       PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABEL}
                                  RUN_SERIAL ${arg_SERIAL})
endfunction()

# runner_fuzzer(name SOURCES a.cc ... LINKS lib ...)
# One libFuzzer target, tests/fuzz/fuzz_<name>. Everywhere but in the fuzz preset it is linked with a
# main that only replays files. ctest replays its corpus, tests/corpus/<name>, in every preset.
function(runner_fuzzer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  set(target fuzz_${name})
  add_executable(${target} ${arg_SOURCES})
  add_dependencies(fuzzers ${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  runner_warnings(${target})
  runner_unity(${target})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  set(corpus ${PROJECT_SOURCE_DIR}/tests/corpus/${name})
  if(RUNNER_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${RUNNER_TEST_PREFIX}fuzz.${name} COMMAND ${target} -runs=0 ${corpus})
  else()
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${RUNNER_TEST_PREFIX}fuzz.${name} COMMAND ${target} ${corpus})
  endif()
  set_tests_properties(${RUNNER_TEST_PREFIX}fuzz.${name} PROPERTIES TIMEOUT 60 LABELS fuzz)
endfunction()
