# Certificates for tests, made as they need them. Whoever links it has temp_dir.cc as well.
include_guard(GLOBAL)
runner_library(runner_test_authority SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_authority.cc
               LINKS OpenSSL::Crypto)
