#pragma once

#include <optional>
#include <string>
#include <variant>

#include "common/security/tls_files.h"

namespace runner {

// The end of a connection that a certificate is for. The extended key usage, if present, must
// permit it (RFC 5280 section 4.2.1.12).
enum class TlsRole { kClient, kServer };

// The certificates that a peer presented, as PEM.
struct PeerCertificate {
  std::string leaf;   // empty: the peer presented none
  std::string chain;  // the other certificates; may contain the leaf again
};

// Why a certificate is rejected.
struct Refusal {
  std::string cause;  // one of a small fixed set
  std::string text;   // the same with names and times, which the peer may have chosen
};

// Returns why the certificate is rejected, or nothing if it is accepted. A certificate is accepted
// if it chains to one of `authorities` (PEM; each may end the chain) by the rules of RFC 5280
// section 6 at the current time, and permits that role. A server's certificate must also match
// `host` (RFC 6125; a DNS name or an IP address, in its subject alternative names); `host` is empty
// for a client's. The handshake has already proven that the peer has the key.
std::optional<Refusal> WhyRefused(const PeerCertificate& peer, const std::string& authorities,
                                  TlsRole role, const std::string& host);

// The contents of the files, as PEM.
struct TlsMaterial {
  std::string certificate;
  std::string key;
  std::string authorities;
};

// Reads the files and checks that each can be parsed and that the key belongs to the certificate.
// The alternative is the problem, for people. It does not check whether peers accept the
// certificate: DescribeOwn does.
std::variant<TlsMaterial, std::string> LoadTls(const TlsFiles& files);

// A description of the own certificate.
struct OwnCertificate {
  std::string subject;               // common name, else an alternative name
  std::string not_after;             // RFC 3339
  std::optional<std::string> doubt;  // why a peer with the same authorities would reject it now
};
OwnCertificate DescribeOwn(const TlsMaterial& material);

}  // namespace runner
