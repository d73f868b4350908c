#pragma once

#include <optional>
#include <string_view>

#include "common/base/certificate_facts.h"

namespace portolan {

// Returns the facts of the first certificate in `pem`; nullopt if it holds none. Thread-safe.
std::optional<CertificateFacts> ReadCertificateFacts(std::string_view pem);

}  // namespace portolan
