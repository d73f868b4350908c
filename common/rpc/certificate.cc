#include "common/rpc/certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <climits>
#include <ctime>
#include <memory>

namespace portolan {

std::optional<CertificateFacts> ReadCertificateFacts(std::string_view pem) {
  if (pem.size() > INT_MAX) return std::nullopt;
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free_all);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  ERR_clear_error();
  std::tm begin{}, end{};
  if (certificate == nullptr ||
      ASN1_TIME_to_tm(X509_get0_notBefore(certificate.get()), &begin) != 1 ||
      ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return std::nullopt;
  }
  CertificateFacts facts;
  facts.not_before = WallTime(std::chrono::seconds(timegm(&begin)));
  facts.not_after = WallTime(std::chrono::seconds(timegm(&end)));
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> serial(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr), &BN_free);
  char* const text = serial == nullptr ? nullptr : BN_bn2hex(serial.get());
  if (text != nullptr) facts.serial = text;
  OPENSSL_free(text);
  ERR_clear_error();
  return facts;
}

}  // namespace portolan
