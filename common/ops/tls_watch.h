#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/task_runner.h"
#include "common/rpc/certificate.h"
#include "common/rpc/channel.h"

namespace portolan {

// Copies in memory of a program's certificate files. They change only when the files are usable as
// a whole: gRPC uses whatever it finds, and a file that is half written, or a key that does not
// belong to the certificate yet, would fail every new connection. No thread and no clock. Not
// thread-safe, except that gRPC may read the copies at any time.
class TlsCopies {
 public:
  // InvalidArgument as CheckTlsFiles. Unavailable: no memory or descriptor for the copies.
  static absl::StatusOr<std::unique_ptr<TlsCopies>> Make(const TlsFiles& files);
  ~TlsCopies();
  TlsCopies(const TlsCopies&) = delete;
  TlsCopies& operator=(const TlsCopies&) = delete;

  // The paths to give to Dial and MakeServerCredentials. They never change, and can be read by this
  // process as long as this object exists.
  const TlsFiles& copies() const { return copies_; }
  const CertificateFacts& certificate() const { return certificate_; }

  // To be called again and again. Returns the paths of the files that have other contents than
  // before and are in use from now on, once two calls in a row have seen the same files. If the
  // files cannot be used, the copies stay as they are, and the error is returned once for each
  // state of the files.
  absl::StatusOr<std::vector<std::string>> Look();
  // The last call has seen a change, which the next one takes.
  bool settling() const { return seen_ != read_ && seen_ != failed_; }

 private:
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;  // all 0: the file does not exist
    int64_t bytes = 0, modified_ns = 0, changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  using Stamps = std::array<Stamp, 3>;

  explicit TlsCopies(TlsFiles files) : files_(std::move(files)) {}
  Stamps StampFiles() const;
  absl::Status Put(const TlsTexts& texts);

  const TlsFiles files_;
  TlsFiles copies_;
  std::array<int, 3> fds_ = {-1, -1, -1};  // behind the paths in copies_
  TlsTexts texts_;
  CertificateFacts certificate_;
  Stamps seen_, read_;
  std::optional<Stamps> failed_;
};

// Keeps copies of a program's certificate files up to date on a thread of its own. Logs which
// certificate is in use, which files were read again or cannot be used, and that the certificate
// ends soon or has ended.
class TlsWatch {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);
  static constexpr Duration kSettle = std::chrono::seconds(1);

  // `clock` must outlive it. Errors as TlsCopies::Make.
  static absl::StatusOr<std::unique_ptr<TlsWatch>> Make(const TlsFiles& files, const Clock& clock);
  // See TlsCopies.
  const TlsFiles& copies() const { return copies_->copies(); }
  // Starts the thread; call it once. `renewed` (may be null) is called there after each change of
  // the copies.
  void Start(std::function<void()> renewed);
  // Waits for a call of `renewed` that is under way; there is none after this. Idempotent.
  void Stop() { runner_.reset(); }

 private:
  TlsWatch(TlsFiles files, const Clock& clock, std::unique_ptr<TlsCopies> copies)
      : files_(std::move(files)), clock_(clock), copies_(std::move(copies)) {}
  void Look(TaskRunner& runner);  // runner_, which Stop() resets while it runs
  void SayWhenItEnds();

  const TlsFiles files_;
  const Clock& clock_;
  const std::unique_ptr<TlsCopies> copies_;
  std::function<void()> renewed_;
  ExpiryNotice notice_;                 // the thread's
  std::unique_ptr<TaskRunner> runner_;  // last: it uses the others
};

}  // namespace portolan
