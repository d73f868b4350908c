#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/check.h"
#include "common/rpc/channel.h"

namespace portolan {

// A certificate authority in a directory of its own, for tests. Not thread-safe.
class CertificateMaker {
 public:
  explicit CertificateMaker(const std::string& name) {
    std::string pattern = std::filesystem::temp_directory_path() / ("portolan-" + name + "-XXXXXX");
    PORTOLAN_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    key_ = EVP_EC_gen("P-256");
    certificate_ = Make("CA " + name, key_, {}, -3600, 3600, true);
    WriteCertificate(ca_file(), certificate_);
  }
  ~CertificateMaker() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  CertificateMaker(const CertificateMaker&) = delete;
  CertificateMaker& operator=(const CertificateMaker&) = delete;

  std::string ca_file() const { return directory_ / "ca.pem"; }

  // `sans`: "DNS:localhost", "IP:127.0.0.1", "URI:spiffe://...". Valid from now + `from` to now +
  // `to` seconds.
  TlsFiles Issue(const std::string& name, const std::vector<std::string>& sans, int from = -3600,
                 int to = 3600) {
    TlsFiles files{directory_ / (name + ".pem"), directory_ / (name + ".key"), ca_file()};
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = Make(name, key, sans, from, to, false);
    WriteCertificate(files.cert, certificate);
    WriteKey(files.key, key, nullptr);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return files;
  }

  void EncryptKey(const std::string& path) {
    FILE* f = fopen(path.c_str(), "r");
    EVP_PKEY* key = PEM_read_PrivateKey(f, nullptr, nullptr, nullptr);
    fclose(f);
    WriteKey(path, key, "secret");
    EVP_PKEY_free(key);
  }

 private:
  static void WriteCertificate(const std::string& path, X509* certificate) {
    FILE* f = fopen(path.c_str(), "w");
    PORTOLAN_CHECK(f != nullptr && PEM_write_X509(f, certificate) == 1);
    fclose(f);
  }
  static void WriteKey(const std::string& path, EVP_PKEY* key, const char* pass) {
    FILE* f = fopen(path.c_str(), "w");
    PORTOLAN_CHECK(f != nullptr &&
                   PEM_write_PrivateKey(f, key, pass != nullptr ? EVP_aes_256_cbc() : nullptr,
                                        nullptr, 0, nullptr, const_cast<char*>(pass)) == 1);
    fclose(f);
  }

  X509* Make(const std::string& name, EVP_PKEY* key, const std::vector<std::string>& sans, int from,
             int to, bool ca) {
    X509* x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, key);
    X509_NAME* subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x, ca ? subject : X509_get_subject_name(certificate_));
    const auto add = [&](int nid, const std::string& value) {
      X509V3_CTX context;
      X509V3_set_ctx_nodb(&context);
      X509V3_set_ctx(&context, ca ? x : certificate_, x, nullptr, nullptr, 0);
      X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
      PORTOLAN_CHECK(e != nullptr);
      X509_add_ext(x, e, -1);
      X509_EXTENSION_free(e);
    };
    if (ca) add(NID_basic_constraints, "critical,CA:TRUE");
    std::string list;
    for (const std::string& san : sans) list += (list.empty() ? "" : ",") + san;
    if (!list.empty()) add(NID_subject_alt_name, list);
    PORTOLAN_CHECK(X509_sign(x, key_, EVP_sha256()) > 0);
    return x;
  }

  std::filesystem::path directory_;
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
  long serial_ = 0;
};

}  // namespace portolan
