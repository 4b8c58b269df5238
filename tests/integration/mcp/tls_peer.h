#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace runner::ingest {

// A TLS server before a plain one, and the certificates for it, made anew: an authority of our own,
// a foreign one, and certificates of our authority for 127.0.0.1 and for a client.
class TlsPeer {
 public:
  // Why there can be none here; nothing when there can.
  static std::optional<std::string> Missing();

  // Throws std::runtime_error when openssl makes no certificates.
  TlsPeer();

  // Serves what `backend` (host:port) does, and returns its own HOST:PORT. With `ask_for_client` a
  // client has to show a certificate. Throws std::runtime_error when it does not come up.
  std::string Serve(const std::string& backend, bool ask_for_client = false);
  // SIGKILL.
  void Kill() { process_->Kill(); }

  // ours.pem, foreign.pem, client.pem, client.key, ...
  std::string File(const std::string& name) const { return directory_.path() / name; }

 private:
  support::TempDir directory_;
  std::unique_ptr<support::ChildProcess> process_;
};

}  // namespace runner::ingest
