# runner-test-agent: an agent that misbehaves on demand. Tests that run it include this file, depend
# on the target and take its path from the definition RUNNER_TEST_AGENT.
include_guard(GLOBAL)

add_executable(runner-test-agent ${CMAKE_CURRENT_LIST_DIR}/test_agent.cc)
runner_warnings(runner-test-agent)
runner_uninstrumented(runner-test-agent)
