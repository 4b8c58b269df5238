#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "common/security/tls_files.h"

struct evp_pkey_st;
struct x509_st;

namespace runner::support {

// What a certificate is to say.
struct CertificateWish {
  std::string subject;  // the common name
  std::string names =
      "IP:127.0.0.1";  // subject alternative names, as openssl.cnf has them; or empty
  std::string usage = "serverAuth,clientAuth";         // extended key usage; or empty
  std::chrono::seconds from = -std::chrono::hours(1);  // from now
  std::chrono::seconds until = std::chrono::hours(24);
  bool is_authority = false;
};

// A certificate and its key.
class TestCertificate {
 public:
  // That of a root: signed by itself.
  explicit TestCertificate(const std::string& subject);
  // Signed by this one.
  TestCertificate Issue(const CertificateWish& wish) const;

  const std::string& pem() const { return pem_; }
  const std::string& key_pem() const { return key_pem_; }
  // As files in a directory, in a way that nobody sees one without the other: `ca` are those whom
  // its owner trusts.
  TlsFiles Write(const std::filesystem::path& directory, const std::string& ca) const;

 private:
  TestCertificate(const CertificateWish& wish, const TestCertificate* issuer);

  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
  std::string pem_;
  std::string key_pem_;
};

}  // namespace runner::support
