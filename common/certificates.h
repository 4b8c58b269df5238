#pragma once

#include <optional>
#include <string>

#include "common/tls_files.h"

namespace runner {

// Which end of a connection a certificate is for: its extended key usage (RFC 5280 section
// 4.2.1.12), if it has one, must permit that.
enum class TlsRole { kClient, kServer };

// What a peer has shown, as PEM.
struct PeerCertificate {
  std::string leaf;   // empty: it has shown none
  std::string chain;  // what else it has sent; may hold the leaf again
};

// Why this is not the certificate of a peer to talk to, for people; nothing when it is one. It is
// when it leads to one of `authorities` (PEM, of which each may end the chain) by the rules of RFC
// 5280 section 6, now, and is for that end. A server's must also name `host` (RFC 6125; a DNS name
// or an IP address, in its subject alternative names); of a client's, `host` is empty.
// That the peer has the key, the handshake has proven.
std::optional<std::string> WhyRefused(const PeerCertificate& peer, const std::string& authorities,
                                      TlsRole role, const std::string& host);

// What is wrong with the files, for people: one cannot be read, holds no certificate or key, or the
// key is of another certificate. Nothing when they can be used; whether a peer accepts them is
// what ReadOwnCertificate doubts.
std::optional<std::string> WhyUnusable(const TlsFiles& files);

// What our own certificate says of itself.
struct OwnCertificate {
  std::string subject = {};    // its common name, else an alternative name; empty when unreadable
  std::string not_after = {};  // RFC 3339; empty when unreadable
  std::optional<std::string> doubt = {};  // why a peer with the same authorities refuses it now
};
OwnCertificate ReadOwnCertificate(const TlsFiles& files);

}  // namespace runner
