#include "common/rpc/certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
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

std::string CertificateTimeText(WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[40];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

ExpiryNotice::Say ExpiryNotice::Look(const CertificateFacts& certificate, WallTime now) {
  constexpr WallTime::duration kDay = std::chrono::hours(24);
  if (certificate.not_after != not_after_) {
    not_after_ = certificate.not_after;
    said_.reset();
    ended_ = false;
  }
  const WallTime::duration life = certificate.not_after - certificate.not_before;
  const WallTime from = certificate.not_after - std::min<WallTime::duration>(life / 5, 14 * kDay);
  if (now < from) return Say::kNothing;
  const bool ended = now >= certificate.not_after;
  const bool due = !said_.has_value() || now - *said_ >= kDay || now < *said_;
  if (!due && ended == ended_) return Say::kNothing;
  said_ = now;
  ended_ = ended;
  return ended ? Say::kHasEnded : Say::kEndsSoon;
}

}  // namespace portolan
