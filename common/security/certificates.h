#pragma once

#include <optional>
#include <string>
#include <variant>

#include "common/security/tls_files.h"

namespace runner {

// Which end of a connection a certificate is for: its extended key usage (RFC 5280 section
// 4.2.1.12), if it has one, must permit that.
enum class TlsRole { kClient, kServer };

// What a peer has shown, as PEM.
struct PeerCertificate {
  std::string leaf;   // empty: it has shown none
  std::string chain;  // what else it has sent; may hold the leaf again
};

// Why a certificate is not one to accept.
struct Refusal {
  std::string cause;  // one of a few
  std::string text;   // the same with names and times, which the peer may have chosen
};

// Why this is not the certificate of a peer to talk to; nothing when it is one. It is when it leads
// to one of `authorities` (PEM, of which each may end the chain) by the rules of RFC 5280 section
// 6, now, and is for that end. A server's must also name `host` (RFC 6125; a DNS name or an IP
// address, in its subject alternative names); of a client's, `host` is empty.
// That the peer has the key, the handshake has proven.
std::optional<Refusal> WhyRefused(const PeerCertificate& peer, const std::string& authorities,
                                  TlsRole role, const std::string& host);

// What the files hold, as PEM.
struct TlsMaterial {
  std::string certificate;
  std::string key;
  std::string authorities;
};

// Reads them, if all can be used: each can be read and holds what it should, and the key is that of
// the certificate. The alternative says what is wrong, for people. Whether a peer accepts the
// certificate is what DescribeOwn doubts.
std::variant<TlsMaterial, std::string> LoadTls(const TlsFiles& files);

// What our own certificate says of itself.
struct OwnCertificate {
  std::string subject;               // its common name, else an alternative name
  std::string not_after;             // RFC 3339
  std::optional<std::string> doubt;  // why a peer with the same authorities refuses it now
};
OwnCertificate DescribeOwn(const TlsMaterial& material);

}  // namespace runner
