#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace portolan {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

constexpr size_t kMaxFile = 4u << 20;

absl::StatusOr<std::string> ReadPem(const char* flag, const std::string& path) {
  std::unique_ptr<FILE, Freer<fclose>> file(fopen(path.c_str(), "re"));
  if (file == nullptr) return InvalidArgument("{} {}: {}", flag, path, std::strerror(errno));
  std::string text;
  char buffer[65536];
  while (true) {
    const size_t n = fread(buffer, 1, sizeof(buffer), file.get());
    text.append(buffer, n);
    if (text.size() > kMaxFile)
      return InvalidArgument("{} {}: larger than 4 MiB; give a PEM file", flag, path);
    if (n < sizeof(buffer)) break;
  }
  if (ferror(file.get())) return InvalidArgument("{} {}: {}", flag, path, std::strerror(errno));
  return text;
}

BioPtr Memory(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::vector<CertificatePtr> ReadCertificates(const std::string& pem) {
  std::vector<CertificatePtr> out;
  BioPtr bio = Memory(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) out.emplace_back(one);
  ERR_clear_error();
  return out;
}

std::string TimeText(const ASN1_TIME* t) {
  std::tm tm{};
  if (t == nullptr || ASN1_TIME_to_tm(t, &tm) != 1) return "an unreadable time";
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

absl::Status CheckDates(const char* flag, const std::string& path, const X509* certificate) {
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    return InvalidArgument("{} {}: the certificate expired at {}; renew it", flag, path,
                           TimeText(X509_get0_notAfter(certificate)));
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    return InvalidArgument(
        "{} {}: the certificate is not valid before {}; check the clock of this machine", flag,
        path, TimeText(X509_get0_notBefore(certificate)));
  }
  return absl::OkStatus();
}

// Never asks the terminal for a pass phrase, which OpenSSL would do by default.
int NoPassPhrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

}  // namespace

absl::Status CheckTlsFiles(const TlsFiles& files) {
  return files.enabled() ? ReadTlsFiles(files).status() : absl::OkStatus();
}

absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsFiles& files) {
  for (const auto& [flag, path] :
       {std::pair("--tls-cert", &files.cert), std::pair("--tls-key", &files.key),
        std::pair("--tls-ca", &files.ca)}) {
    if (path->empty())
      return InvalidArgument(
          "{} is missing: give --tls-cert, --tls-key and --tls-ca together, or none of them", flag);
  }
  TlsTexts texts;
  PORTOLAN_ASSIGN_OR_RETURN(texts.cert, ReadPem("--tls-cert", files.cert));
  PORTOLAN_ASSIGN_OR_RETURN(texts.key, ReadPem("--tls-key", files.key));
  PORTOLAN_ASSIGN_OR_RETURN(texts.ca, ReadPem("--tls-ca", files.ca));

  const std::vector<CertificatePtr> chain = ReadCertificates(texts.cert);
  if (chain.empty())
    return InvalidArgument("--tls-cert {}: holds no certificate in PEM form", files.cert);
  PORTOLAN_RETURN_IF_ERROR(CheckDates("--tls-cert", files.cert, chain.front().get()));

  bool asked = false;
  KeyPtr key(PEM_read_bio_PrivateKey(Memory(texts.key).get(), nullptr, NoPassPhrase, &asked));
  ERR_clear_error();
  if (key == nullptr && asked) {
    return InvalidArgument(
        "--tls-key {}: the key has a pass phrase; give one without, readable by this user only",
        files.key);
  }
  if (key == nullptr)
    return InvalidArgument("--tls-key {}: holds no private key in PEM form", files.key);
  const bool match = X509_check_private_key(chain.front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!match) {
    return InvalidArgument("--tls-key {}: is not the key of the certificate in {} (its first one)",
                           files.key, files.cert);
  }

  const std::vector<CertificatePtr> roots = ReadCertificates(texts.ca);
  if (roots.empty())
    return InvalidArgument("--tls-ca {}: holds no certificate in PEM form", files.ca);
  absl::Status dates;
  for (const CertificatePtr& root : roots) {
    dates = CheckDates("--tls-ca", files.ca, root.get());
    if (dates.ok()) break;
  }
  PORTOLAN_RETURN_IF_ERROR(dates);
  return texts;
}

}  // namespace portolan
