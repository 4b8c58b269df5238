# runner-test-agent: an agent that misbehaves on demand. Tests that run it include this file, depend
# on the target and take its path from the definition RUNNER_TEST_AGENT.
include_guard(GLOBAL)

set(agent ${CMAKE_CURRENT_LIST_DIR}/test_agent)
add_executable(runner-test-agent ${agent}/attack.cc ${agent}/exhaust.cc ${agent}/leave.cc
                                 ${agent}/main.cc ${agent}/process.cc ${agent}/report.cc
                                 ${agent}/show.cc)
target_include_directories(runner-test-agent PRIVATE ${PROJECT_SOURCE_DIR})
runner_warnings(runner-test-agent)
runner_unity(runner-test-agent)
runner_uninstrumented(runner-test-agent)
