#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "common/security/tls_files.h"

struct evp_pkey_st;
struct x509_st;

namespace runner::support {

// The contents of a certificate.
struct CertificateWish {
  std::string subject;  // the common name
  std::string names =
      "IP:127.0.0.1";  // subject alternative names in the syntax of openssl.cnf; may be empty
  std::string usage = "serverAuth,clientAuth";         // extended key usage; may be empty
  std::chrono::seconds from = -std::chrono::hours(1);  // relative to now
  std::chrono::seconds until = std::chrono::hours(24);
  bool is_authority = false;
};

// A certificate and its key.
class TestCertificate {
 public:
  // A self-signed root.
  explicit TestCertificate(const std::string& subject);
  // Issues a certificate signed by this one.
  TestCertificate Issue(const CertificateWish& wish) const;

  const std::string& pem() const { return pem_; }
  const std::string& key_pem() const { return key_pem_; }
  // Writes the files into a directory in one step; `ca` are the authorities that the owner trusts.
  TlsFiles Write(const std::filesystem::path& directory, const std::string& ca) const;

 private:
  TestCertificate(const CertificateWish& wish, const TestCertificate* issuer);

  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
  std::string pem_;
  std::string key_pem_;
};

}  // namespace runner::support
