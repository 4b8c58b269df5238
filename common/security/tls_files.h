#pragma once

#include <string>

namespace runner {

// PEM files for TLS. They are read again when they change; what reads them says when.
struct TlsFiles {
  std::string ca;           // whom to trust; or empty
  std::string certificate;  // our own, with its chain; or empty
  std::string key;          // of that certificate, without a passphrase

  bool operator==(const TlsFiles&) const = default;
};

}  // namespace runner
