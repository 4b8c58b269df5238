# What tests of whole programs need: processes, logs, metrics, peers. Tests that use it include this
# file and link runner_test_support.
include_guard(GLOBAL)
include(${CMAKE_CURRENT_LIST_DIR}/test_agent.cmake)

set(support ${CMAKE_CURRENT_LIST_DIR})
runner_library(runner_test_support
               SOURCES ${support}/admin_client.cc ${support}/child_process.cc ${support}/counting.cc ${support}/descriptors.cc
                       ${support}/eventually.cc ${support}/fault_server.cc
                       ${support}/faultsim_process.cc ${support}/grpcurl.cc
                       ${support}/http2_flood.cc ${support}/http_request.cc ${support}/kubernetes_server.cc
                       ${support}/log_file.cc ${support}/log_reader.cc ${support}/metrics_text.cc
                       ${support}/network.cc ${support}/node_peer.cc ${support}/process_table.cc ${support}/service_process.cc
                       ${support}/system.cc ${support}/system_test.cc ${support}/temp_dir.cc
               LINKS runner_common runner_proto CURL::libcurl nlohmann_json::nlohmann_json
                     GTest::gtest)
runner_unity(runner_test_support)
add_dependencies(runner_test_support runner-ingest runner-executor runner-shim runner-test-agent
                                     runner-faultsim)
target_compile_definitions(runner_test_support PUBLIC
                           RUNNER_INGEST="$<TARGET_FILE:runner-ingest>"
                           RUNNER_EXECUTOR="$<TARGET_FILE:runner-executor>"
                           RUNNER_FAULTSIM="$<TARGET_FILE:runner-faultsim>"
                           RUNNER_TEST_AGENT="$<TARGET_FILE:runner-test-agent>"
                           RUNNER_PEERS_DIR="${PROJECT_SOURCE_DIR}/tests/peers")
