#include "common/security/certificates.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/base/address.h"
#include "common/base/bounded_file.h"

namespace runner {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
// Bounds on the names in an error message: bytes of one name, which a peer chose, and number of
// names.
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxNames = 4;
// Debian's default for OpenSSL: 112 bits of security, so neither RSA with 1024 bits nor SHA-1.
constexpr int kSecurityLevel = 2;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Certificates = std::vector<Certificate>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
using Stack =
    std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * stack) { sk_X509_free(stack); })>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using Validation = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;

Bio Reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The certificates of a PEM text, up to the first block that is not a certificate.
Certificates ParseCertificates(const std::string& pem) {
  Certificates found;
  const Bio bio = Reader(pem);
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    found.push_back(std::move(next));
  }
  ERR_clear_error();  // OpenSSL reports the end of the text as an error
  return found;
}

// Never prompts for a passphrase.
Key ParseKey(const std::string& pem) {
  const Bio bio = Reader(pem);
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return key;
}

std::string Text(const ASN1_STRING* string) {
  const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
  const auto size = static_cast<std::size_t>(ASN1_STRING_length(string));
  return {bytes, std::min(size, kMaxNameBytes)};
}

std::string TimeText(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown time";
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::string IpText(const ASN1_OCTET_STRING* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int length = ASN1_STRING_length(bytes);
  if (length != 4 && length != 16) return "an unknown address";
  ::inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text.data(),
              text.size());
  return text.data();
}

// The first of the DNS names and IP addresses of the certificate.
std::vector<std::string> AlternativeNames(const X509* certificate) {
  std::vector<std::string> found;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (found.size() == kMaxNames) break;
    if (name->type == GEN_DNS) found.push_back(Text(name->d.dNSName));
    if (name->type == GEN_IPADD) found.push_back(IpText(name->d.iPAddress));
  }
  return found;
}

std::string CommonName(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "";
  return Text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

std::string Subject(const X509* certificate) {
  std::string name = CommonName(X509_get_subject_name(certificate));
  if (!name.empty()) return name;
  const auto names = AlternativeNames(certificate);
  return names.empty() ? "an unnamed subject" : names.front();
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "no host" : text;
}

// The error, with the values of the certificate that cause it.
Refusal Explain(const X509_STORE_CTX* validation, const X509* leaf, const std::string& host) {
  const int error = X509_STORE_CTX_get_error(validation);
  const X509* wrong = X509_STORE_CTX_get_current_cert(validation);
  if (wrong == nullptr) wrong = leaf;
  const std::string cause = X509_verify_cert_error_string(error);
  std::string text = cause;
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      text += " on " + TimeText(X509_get0_notAfter(wrong));
      break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      text += " until " + TimeText(X509_get0_notBefore(wrong));
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      text += ": valid for " + Join(AlternativeNames(leaf)) + ", not for " + host;
      break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      text += ": " + CommonName(X509_get_issuer_name(wrong)) + " is not a trusted authority";
      break;
    default:
      break;
  }
  const std::string of = wrong == leaf ? "" : " (" + Subject(wrong) + " in its chain)";
  return {cause, "certificate of " + Subject(leaf) + of + ": " + text};
}

// Sets the rules for a leaf of that role; without a role, any usage is permitted.
bool SetRules(X509_STORE_CTX* validation, std::optional<TlsRole> role, const std::string& host) {
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(validation);
  X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (role && X509_STORE_CTX_set_default(
                  validation, role == TlsRole::kClient ? "ssl_client" : "ssl_server") != 1) {
    return false;
  }
  if (role != TlsRole::kServer) return true;
  if (IsIpAddress(host)) return X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1;
  // OpenSSL accepts any host if the length is 0.
  return !host.empty() && X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size()) == 1;
}

std::optional<Refusal> Validate(X509* leaf, const Certificates& sent, const Certificates& roots,
                                std::optional<TlsRole> role, const std::string& host) {
  const Store store(X509_STORE_new());
  const Stack chain(sk_X509_new_null());
  const Validation validation(X509_STORE_CTX_new());
  bool ready = !roots.empty() && store && chain && validation;
  for (const Certificate& root : roots) {
    ready = ready && X509_STORE_add_cert(store.get(), root.get()) == 1;
  }
  for (const Certificate& one : sent) ready = ready && sk_X509_push(chain.get(), one.get()) > 0;
  ready = ready && X509_STORE_CTX_init(validation.get(), store.get(), leaf, chain.get()) == 1 &&
          SetRules(validation.get(), role, host);
  const bool valid = ready && X509_verify_cert(validation.get()) == 1 &&
                     X509_STORE_CTX_get_error(validation.get()) == X509_V_OK;
  ERR_clear_error();
  if (valid) return std::nullopt;
  if (ready) return Explain(validation.get(), leaf, host);
  return Refusal{"not validated", "certificate of " + Subject(leaf) + ": validation failed"};
}

}  // namespace

std::optional<Refusal> WhyRefused(const PeerCertificate& peer, const std::string& authorities,
                                  TlsRole role, const std::string& host) {
  const Certificates leaf = ParseCertificates(peer.leaf);
  if (leaf.empty()) return Refusal{"no certificate", "the peer presented no certificate"};
  return Validate(leaf.front().get(), ParseCertificates(peer.chain), ParseCertificates(authorities),
                  role, host);
}

std::variant<TlsMaterial, std::string> LoadTls(const TlsFiles& files) {
  TlsMaterial material;
  std::string problem;
  const auto read = [&problem](const char* what, const std::string& path) -> std::string {
    auto file = ReadBoundedFile(path, kMaxFileBytes);
    if (auto* whole = std::get_if<BoundedFile>(&file)) return std::move(whole->text);
    if (problem.empty()) problem = std::string(what) + " " + path + ": " + std::get<1>(file);
    return "";
  };
  material.certificate = read("certificate", files.certificate);
  material.key = read("key", files.key);
  material.authorities = read("authorities", files.ca);
  if (!problem.empty()) return problem;
  const Certificates own = ParseCertificates(material.certificate);
  if (own.empty())
    return "certificate " + files.certificate + ": no certificate found; expected PEM";
  const Key key = ParseKey(material.key);
  if (!key) return "key " + files.key + ": no private key found; expected PEM without a passphrase";
  if (X509_check_private_key(own.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return "key " + files.key + ": does not match the certificate " + files.certificate;
  }
  if (ParseCertificates(material.authorities).empty()) {
    return "authorities " + files.ca + ": no certificate found; expected PEM";
  }
  return material;
}

OwnCertificate DescribeOwn(const TlsMaterial& material) {
  const Certificates chain = ParseCertificates(material.certificate);
  X509* const leaf = chain.front().get();
  const auto refusal =
      Validate(leaf, chain, ParseCertificates(material.authorities), std::nullopt, "");
  return {Subject(leaf), TimeText(X509_get0_notAfter(leaf)),
          refusal ? std::optional(refusal->text) : std::nullopt};
}

}  // namespace runner
