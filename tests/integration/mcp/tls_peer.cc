#include "tests/integration/mcp/tls_peer.h"

#include <stdexcept>

#include "tests/support/eventually.h"
#include "tests/support/node_program.h"

namespace runner::ingest {
namespace {

constexpr const char* kMakeCertificates = R"(set -e
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
authority() { openssl req -x509 $key -keyout $1.key -out $1.pem -subj /CN=$1; }
issue() {
  openssl req -x509 $key -keyout $1.key -out $1.pem -subj /CN=$1 -CA ours.pem -CAkey ours.key \
      -addext subjectAltName=IP:127.0.0.1
}
authority ours
authority foreign
issue server
issue client
)";

}  // namespace

std::optional<std::string> TlsPeer::Missing() {
  if (!support::FindProgram("openssl")) return "openssl is not installed";
  return support::NodeMissing();
}

TlsPeer::TlsPeer() {
  support::ChildProcess make({.argv = {"/bin/sh", "-c", kMakeCertificates},
                              .directory = directory_.path(),
                              .stdout_file = File("openssl.out"),
                              .stderr_file = File("openssl.err")});
  if (make.WaitForExit(support::kRpcTimeout) != 0) {
    throw std::runtime_error("openssl: " + support::ReadFile(File("openssl.err")));
  }
}

std::string TlsPeer::Serve(const std::string& backend, bool ask_for_client) {
  const std::string port_file = File("port");
  support::ChildProcess::Command command{
      .argv = {support::kNodeProgram, RUNNER_TLS_PROXY, backend.substr(backend.rfind(':') + 1),
               "server.pem", "server.key"},
      .directory = directory_.path(),
      .stdout_file = port_file,
      .stderr_file = File("node.err")};
  if (ask_for_client) command.argv.emplace_back("ours.pem");
  process_ = std::make_unique<support::ChildProcess>(command);
  std::string port;
  const bool up = support::Eventually([&] {
    port = support::ReadFile(port_file);
    return port.ends_with('\n');
  });
  if (!up) throw std::runtime_error("node: " + support::ReadFile(File("node.err")));
  port.pop_back();
  return "127.0.0.1:" + port;
}

}  // namespace runner::ingest
