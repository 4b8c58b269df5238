# What is compiled into everything of ours to find mistakes at run time: one of RUNNER_SANITIZE,
# RUNNER_COVERAGE and RUNNER_FUZZ, each set by the preset of that name.

if(RUNNER_SANITIZE STREQUAL "address")
  # The first finding ends the program: a test cannot pass by looking elsewhere.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(RUNNER_SANITIZE STREQUAL "thread")
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
