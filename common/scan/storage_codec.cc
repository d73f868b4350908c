#include "common/scan/storage_codec.h"

#include <zstd.h>

#include <memory>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr char kRaw = 0;
constexpr char kZstd = 1;
constexpr int kLevel = 3;

struct Free {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

}  // namespace

std::string CompressForStorage(std::string_view plain) {
  // Contexts are kept: making one costs more than compressing a small chunk.
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  PORTOLAN_CHECK(context != nullptr);  // out of memory
  std::string out(1 + ZSTD_compressBound(plain.size()), kZstd);
  const size_t n = ZSTD_compressCCtx(context.get(), out.data() + 1, out.size() - 1, plain.data(),
                                     plain.size(), kLevel);
  PORTOLAN_CHECK(!ZSTD_isError(n));  // the buffer is as large as it may ask for
  if (n >= plain.size()) {
    out.assign(1, kRaw);
    out += plain;
  } else {
    out.resize(1 + n);
  }
  out.shrink_to_fit();
  return out;
}

absl::StatusOr<std::string> DecompressFromStorage(std::string_view stored, size_t max_size) {
  if (stored.empty())
    return DataLoss("stored outcomes are empty: the database is damaged; restore it from a backup");
  const char kind = stored.front();
  stored.remove_prefix(1);
  if (kind == kRaw) {
    if (stored.size() > max_size)
      return DataLoss("stored outcomes have {} bytes, more than {}", stored.size(), max_size);
    return std::string(stored);
  }
  if (kind != kZstd)
    return DataLoss("stored outcomes are of unknown kind {}", static_cast<int>(kind));
  const unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return DataLoss("stored outcomes are no zstd frame of known size");
  }
  if (size > max_size)
    return DataLoss("stored outcomes have {} bytes, more than {}", size, max_size);
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  PORTOLAN_CHECK(context != nullptr);
  std::string out(size, '\0');
  const size_t n =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), stored.data(), stored.size());
  if (ZSTD_isError(n) || n != size)
    return DataLoss("stored outcomes are damaged: {}",
                    ZSTD_isError(n) ? ZSTD_getErrorName(n) : "wrong size");
  return out;
}

}  // namespace portolan
