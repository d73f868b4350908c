#include "common/ops/http_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/ops/log.h"

namespace portolan {
namespace {

// What every context has, whichever certificates it holds.
void Configure(SSL_CTX& context) {
  SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
  // A session that is resumed would not be asked for its certificate again.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(&context, 0);
}

std::string WhatOpenSslSays() {
  char text[256] = "no reason given";
  if (const unsigned long error = ERR_get_error(); error != 0)
    ERR_error_string_n(error, text, sizeof text);
  ERR_clear_error();
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpTls>> HttpTls::Load(const TlsFiles& files, const Clock& clock) {
  std::unique_ptr<HttpTls> out(new HttpTls(files, clock));
  MutexLock lock(out->mu_);
  out->read_ = out->LastChanges();
  out->looked_ = clock.Now();
  CertificateFacts ignored;
  PORTOLAN_ASSIGN_OR_RETURN(out->current_, out->Read(&ignored));
  return out;
}

absl::StatusOr<HttpTls::Context> HttpTls::Read(CertificateFacts* certificate) const {
  PORTOLAN_ASSIGN_OR_RETURN(const TlsTexts texts, ReadTlsFiles(files_));
  *certificate = ReadCertificateFacts(texts.cert).value_or(CertificateFacts());
  Context context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (context == nullptr) return Unavailable("TLS cannot be set up: {}", WhatOpenSslSays());
  Configure(*context);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files_.cert.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), files_.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(context.get(), files_.ca.c_str(), nullptr) != 1) {
    return InvalidArgument("--tls-cert {}, --tls-key {}, --tls-ca {}: {}", files_.cert, files_.key,
                           files_.ca, WhatOpenSslSays());
  }
  SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(files_.ca.c_str()));
  return context;
}

HttpTls::Times HttpTls::LastChanges() const {
  std::error_code ignored;  // a file that is away for a moment has changed
  return {std::filesystem::last_write_time(files_.cert, ignored),
          std::filesystem::last_write_time(files_.key, ignored),
          std::filesystem::last_write_time(files_.ca, ignored)};
}

HttpTls::Context HttpTls::Current() {
  MutexLock lock(mu_);
  const Time now = clock_.Now();
  if (now - looked_ < kLook) return current_;
  looked_ = now;
  const Times times = LastChanges();
  if (times == read_) return current_;
  CertificateFacts certificate;
  absl::StatusOr<Context> context = Read(&certificate);
  if (context.ok()) {
    read_ = times;
    failed_.reset();
    current_ = *std::move(context);
    Log(LogLevel::kInfo, "certificates of --http have been read again",
        {{"file", files_.cert},
         {"serial", certificate.serial},
         {"not_after", CertificateTimeText(certificate.not_after)}});
  } else if (std::exchange(failed_, times) != times) {
    Log(LogLevel::kWarning,
        "certificates of --http have changed and cannot be used: what was read before stays in use",
        {{"error", std::string(Message(context.status()))}});
  }
  return current_;
}

void HttpTls::SetUp(SSL_CTX& context) {
  Configure(context);
  SSL_CTX_set_client_hello_cb(
      &context,
      [](SSL* connection, int*, void* self) {
        const Context current = static_cast<HttpTls*>(self)->Current();
        // The connection holds what it takes.
        return SSL_set_SSL_CTX(connection, current.get()) != nullptr ? SSL_CLIENT_HELLO_SUCCESS
                                                                     : SSL_CLIENT_HELLO_ERROR;
      },
      this);
}

PeerIdentity HttpTls::PeerOf(const SSL* connection) {
  if (connection == nullptr || SSL_get_verify_result(connection) != X509_V_OK) return {};
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      SSL_get1_peer_certificate(connection), &X509_free);
  if (certificate == nullptr) return {};
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  std::vector<std::string> uris;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* const text = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text)));
  }
  return IdentityFromUris(uris);
}

}  // namespace portolan
