# Instrumentation that finds defects at run time: one of RUNNER_SANITIZE, RUNNER_COVERAGE and
# RUNNER_FUZZ, each set by the preset of that name.

# The prefix of every test name, so that one ctest can run several presets.
set(RUNNER_TEST_PREFIX "")

if(RUNNER_SANITIZE STREQUAL "address")
  set(RUNNER_TEST_PREFIX "asan.")
  # The first finding ends the program, so that the test fails.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(RUNNER_SANITIZE STREQUAL "thread")
  set(RUNNER_TEST_PREFIX "tsan.")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(RUNNER_SANITIZE)
  message(FATAL_ERROR "RUNNER_SANITIZE is '${RUNNER_SANITIZE}'; it may be address or thread")
endif()

if(RUNNER_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

if(RUNNER_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# For test peers that are not under test, and for generated code, which takes longest to instrument.
function(runner_uninstrumented target)
  if(RUNNER_SANITIZE)
    target_compile_options(${target} PRIVATE -fno-sanitize=all)
    target_link_options(${target} PRIVATE -fno-sanitize=all)
  endif()
endfunction()
