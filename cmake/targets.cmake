# Every folder is one static library, a room. A room includes only headers of the rooms that its USES
# line names, and of those that they use; tests/layers.sh checks it.

function(runner_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                           -Woverloaded-virtual -Wimplicit-fallthrough)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False positives for "literal" + std::string when optimised: gcc.gnu.org/PR105651.
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Checks the annotations of common/base/mutex.h.
    target_compile_options(${target} PRIVATE -Wthread-safety -Wthread-safety-beta)
  endif()
  if(RUNNER_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# For the product: every narrowing or sign-changing conversion must be explicit.
function(runner_conversion_warnings target)
  target_compile_options(${target} PRIVATE -Wconversion -Wsign-conversion)
endfunction()

# Converts folders and libraries to targets: ingest/core is runner_ingest_core.
function(runner_targets uses out)
  set(targets "")
  foreach(use ${uses})
    if(use MATCHES "/")
      string(REPLACE "/" "_" use "runner_${use}")
    endif()
    list(APPEND targets ${use})
  endforeach()
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

# The input of tests/layers.sh: which folder uses which.
file(WRITE ${PROJECT_BINARY_DIR}/rooms.txt "")
function(runner_note_room folder uses)
  string(REPLACE ";" " " uses "${uses}")
  file(APPEND ${PROJECT_BINARY_DIR}/rooms.txt "${folder}: ${uses}\n")
endfunction()

# runner_room(folder USES folder-or-library ...)
# The library of all sources of a folder except main.cc.
function(runner_room folder)
  cmake_parse_arguments(arg "" "" "USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  runner_targets("${folder}" name)
  runner_targets("${arg_USES}" uses)
  runner_library(${name} SOURCES ${sources} LINKS ${uses})
  runner_conversion_warnings(${name})
  runner_note_room(${folder} "${arg_USES}")
endfunction()

# runner_library(name SOURCES a.cc ... LINKS lib ...)
function(runner_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_LINKS})
  runner_warnings(${name})
endfunction()

# runner_program(name folder USES folder-or-library ...)
# The program with the main.cc of a folder.
function(runner_program name folder)
  cmake_parse_arguments(arg "" "" "USES" ${ARGN})
  runner_targets("${arg_USES}" uses)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/${folder}/main.cc)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${uses})
  runner_warnings(${name})
  runner_conversion_warnings(${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  runner_note_room(${folder} "${arg_USES}")
endfunction()

# Test programs must have equal options, since they share a precompiled header. Sanitizers need an
# optimised product; for test cases, optimisation only doubles the build time.
function(runner_test_compilation target)
  target_compile_options(${target} PRIVATE -pthread)
  if(RUNNER_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# runner_test(name SOURCES a.cc ... LINKS lib ... [TIMEOUT seconds] [LABEL label] [SERIAL])
# One test program. Each of its cases is a ctest with a time limit, so that a deadlock fails. SERIAL: each
# case runs alone.
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
  runner_test_compilation(${name})
  target_precompile_headers(${name} REUSE_FROM runner_test_headers)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  include(GoogleTest)
  gtest_discover_tests(${name} TEST_PREFIX "${RUNNER_TEST_PREFIX}${arg_LABEL}."
                       DISCOVERY_MODE PRE_TEST
                       PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABEL}
                                  RUN_SERIAL ${arg_SERIAL})
endfunction()

# runner_unit_tests(folder [LINKS lib ...])
# One program with every *_test.cc in tests/unit/<folder>, for the room <folder>.
function(runner_unit_tests folder)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/${folder}/*_test.cc)
  runner_targets("${folder}" room)
  string(REPLACE "/" "_" name "${folder}_test")
  runner_test(${name} SOURCES ${sources} LINKS ${room} runner_test_base ${arg_LINKS})
endfunction()

# runner_fuzzer(name SOURCES a.cc ... LINKS lib ...)
# One libFuzzer target, tests/fuzz/fuzz_<name>. Outside the fuzz preset it is linked with a main that
# replays files. ctest replays its corpus, tests/corpus/<name>, in every preset.
function(runner_fuzzer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  set(target fuzz_${name})
  add_executable(${target} ${arg_SOURCES})
  add_dependencies(fuzzers ${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  runner_warnings(${target})
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
