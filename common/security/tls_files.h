#pragma once

#include <string>

namespace runner {

// PEM files for TLS. The classes that read them document when they read them again.
struct TlsFiles {
  std::string ca;           // the trusted authorities; may be empty
  std::string certificate;  // the own certificate with its chain; may be empty
  std::string key;          // the key of that certificate, without a passphrase

  bool operator==(const TlsFiles&) const = default;
};

}  // namespace runner
