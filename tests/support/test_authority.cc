#include "tests/support/test_authority.h"

#include <random>
#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

void Require(bool done) {
  if (!done) throw std::runtime_error("OpenSSL cannot make this certificate");
}

void AddExtension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

template <typename Write>
std::string ToPem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  Require(write(bio.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

TestCertificate::TestCertificate(const std::string& subject)
    : TestCertificate({.subject = subject, .names = "", .usage = "", .is_authority = true},
                      nullptr) {}

TestCertificate TestCertificate::Issue(const CertificateWish& wish) const { return {wish, this}; }

TestCertificate::TestCertificate(const CertificateWish& wish, const TestCertificate* issuer)
    : key_(EVP_EC_gen("P-256"), &EVP_PKEY_free), certificate_(X509_new(), &X509_free) {
  X509* const made = certificate_.get();
  Require(key_ != nullptr && made != nullptr);
  const auto* subject = reinterpret_cast<const unsigned char*>(wish.subject.c_str());
  Require(X509_set_version(made, X509_VERSION_3) == 1);
  std::random_device random;
  Require(ASN1_INTEGER_set(X509_get_serialNumber(made), static_cast<long>(random() >> 1)) == 1);
  X509_gmtime_adj(X509_getm_notBefore(made), wish.from.count());
  X509_gmtime_adj(X509_getm_notAfter(made), wish.until.count());
  Require(X509_set_pubkey(made, key_.get()) == 1);
  Require(X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8, subject, -1,
                                     -1, 0) == 1);
  X509* const signer = issuer ? issuer->certificate_.get() : made;
  Require(X509_set_issuer_name(made, X509_get_subject_name(signer)) == 1);
  AddExtension(made, signer, NID_basic_constraints,
               wish.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  AddExtension(made, signer, NID_key_usage,
               wish.is_authority ? "critical,keyCertSign" : "critical,digitalSignature");
  AddExtension(made, signer, NID_subject_key_identifier, "hash");
  AddExtension(made, signer, NID_authority_key_identifier, issuer ? "keyid" : "");
  AddExtension(made, signer, NID_ext_key_usage, wish.usage);
  AddExtension(made, signer, NID_subject_alt_name, wish.names);
  Require(X509_sign(made, issuer ? issuer->key_.get() : key_.get(), EVP_sha256()) > 0);
  pem_ = ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, made); });
  key_pem_ = ToPem([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

// As kubelet updates a mounted Secret: the files are in a directory that a link leads to, and the
// link is replaced.
TlsFiles TestCertificate::Write(const std::filesystem::path& directory,
                                const std::string& ca) const {
  static int versions = 0;
  const std::string version = "version-" + std::to_string(++versions);
  std::filesystem::create_directories(directory / version);
  WriteFile(directory / version / "tls.crt", pem_);
  WriteFile(directory / version / "tls.key", key_pem_);
  WriteFile(directory / version / "ca.crt", ca);
  std::filesystem::create_directory_symlink(version, directory / "next");
  std::filesystem::rename(directory / "next", directory / "current");
  const auto path = [&](const char* name) { return (directory / "current" / name).string(); };
  return {.ca = path("ca.crt"), .certificate = path("tls.crt"), .key = path("tls.key")};
}

}  // namespace runner::support
