#include "common/ops/tls_watch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/status.h"
#include "common/ops/log.h"

namespace portolan {
namespace {

absl::Status NoCopy() {
  return Unavailable("a copy of a certificate file cannot be kept: {}", std::strerror(errno));
}

// A file without a name that holds `text`.
absl::StatusOr<int> MemoryFile(const std::string& text) {
  const int fd = memfd_create("portolan-tls", MFD_CLOEXEC);
  if (fd < 0) return NoCopy();
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const absl::Status status = NoCopy();
      close(fd);
      return status;
    }
    done += static_cast<size_t>(n);
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsCopies>> TlsCopies::Make(const TlsFiles& files) {
  std::unique_ptr<TlsCopies> out(new TlsCopies(files));
  out->seen_ = out->read_ = out->StampFiles();
  PORTOLAN_ASSIGN_OR_RETURN(const TlsTexts texts, ReadTlsFiles(files));
  PORTOLAN_RETURN_IF_ERROR(out->Put(texts));
  return out;
}

TlsCopies::~TlsCopies() {
  for (const int fd : fds_) {
    if (fd >= 0) close(fd);
  }
}

// Whoever reads in between may find the new one of one file beside the old one of another: gRPC
// compares the times of key and certificate before and after it reads them, and reads again.
absl::Status TlsCopies::Put(const TlsTexts& texts) {
  const std::optional<CertificateFacts> facts = ReadCertificateFacts(texts.cert);
  if (!facts.has_value())
    return InvalidArgument("--tls-cert {}: the dates of the certificate cannot be read",
                           files_.cert);
  const std::array<const std::string*, 3> all = {&texts.cert, &texts.key, &texts.ca};
  std::array<int, 3> fresh = {-1, -1, -1};
  absl::Status status;
  for (size_t i = 0; i < all.size() && status.ok(); ++i) {
    const absl::StatusOr<int> fd = MemoryFile(*all[i]);
    status = fd.status();
    if (fd.ok()) fresh[i] = *fd;
  }
  for (size_t i = 0; i < fresh.size() && status.ok(); ++i) {
    // dup3 onto a number that is open replaces what it stands for in one step.
    if (fds_[i] < 0) {
      fds_[i] = std::exchange(fresh[i], -1);
    } else if (dup3(fresh[i], fds_[i], O_CLOEXEC) < 0) {
      status = NoCopy();
    }
  }
  for (const int fd : fresh) {
    if (fd >= 0) close(fd);
  }
  PORTOLAN_RETURN_IF_ERROR(status);
  const auto path = [](int fd) { return fmt::format("/proc/self/fd/{}", fd); };
  copies_ = {path(fds_[0]), path(fds_[1]), path(fds_[2])};
  texts_ = texts;
  certificate_ = *facts;
  return absl::OkStatus();
}

TlsCopies::Stamps TlsCopies::StampFiles() const {
  Stamps out;
  const std::array<const std::string*, 3> paths = {&files_.cert, &files_.key, &files_.ca};
  for (size_t i = 0; i < paths.size(); ++i) {
    struct stat s {};  // of what the path leads to: the files of a Secret are symbolic links
    if (stat(paths[i]->c_str(), &s) != 0) continue;
    out[i].device = s.st_dev;
    out[i].inode = s.st_ino;
    out[i].bytes = s.st_size;
    out[i].modified_ns = int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
    out[i].changed_ns = int64_t{s.st_ctim.tv_sec} * 1'000'000'000 + s.st_ctim.tv_nsec;
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> TlsCopies::Look() {
  std::vector<std::string> changed;
  const Stamps stamps = StampFiles();
  if (stamps == read_ || stamps != seen_) {
    seen_ = stamps;
    return changed;
  }
  const absl::StatusOr<TlsTexts> texts = ReadTlsFiles(files_);
  if (const Stamps now = StampFiles(); now != stamps) {  // they are being written
    seen_ = now;
    return changed;
  }
  const TlsTexts before = texts_;
  const absl::Status status = texts.ok() ? Put(*texts) : texts.status();
  if (!status.ok()) {
    if (std::exchange(failed_, stamps) == stamps) return changed;
    return status;
  }
  read_ = stamps;
  failed_.reset();
  if (texts_.cert != before.cert) changed.push_back(files_.cert);
  if (texts_.key != before.key) changed.push_back(files_.key);
  if (texts_.ca != before.ca) changed.push_back(files_.ca);
  return changed;
}

absl::StatusOr<std::unique_ptr<TlsWatch>> TlsWatch::Make(const TlsFiles& files,
                                                         const Clock& clock) {
  PORTOLAN_ASSIGN_OR_RETURN(std::unique_ptr<TlsCopies> copies, TlsCopies::Make(files));
  return std::unique_ptr<TlsWatch>(new TlsWatch(files, clock, std::move(copies)));
}

void TlsWatch::Start(std::function<void()> renewed) {
  renewed_ = std::move(renewed);
  const CertificateFacts& c = copies_->certificate();
  Log(LogLevel::kInfo, "certificate in use",
      {{"file", files_.cert},
       {"serial", c.serial},
       {"not_after", CertificateTimeText(c.not_after)}});
  runner_ = std::make_unique<TaskRunner>("tls-files", clock_);
  runner_->Post([this, runner = runner_.get()] { Look(*runner); });
}

void TlsWatch::Look(TaskRunner& runner) {
  const absl::StatusOr<std::vector<std::string>> changed = copies_->Look();
  runner.PostAfter(copies_->settling() ? kSettle : kEvery, [this, &runner] { Look(runner); });
  const CertificateFacts& c = copies_->certificate();
  if (!changed.ok()) {
    Log(LogLevel::kError,
        "certificate files have changed and cannot be used: what was read before stays in use",
        {{"error", std::string(Message(changed.status()))},
         {"serial", c.serial},
         {"not_after", CertificateTimeText(c.not_after)}});
  } else if (!changed->empty()) {
    std::string files;
    for (const std::string& path : *changed) files += (files.empty() ? "" : " ") + path;
    Log(LogLevel::kInfo, "certificate files have been read again",
        {{"files", files}, {"serial", c.serial}, {"not_after", CertificateTimeText(c.not_after)}});
    if (renewed_) renewed_();
  }
  SayWhenItEnds();
}

void TlsWatch::SayWhenItEnds() {
  const CertificateFacts& c = copies_->certificate();
  const ExpiryNotice::Say say = notice_.Look(c, clock_.Wall());
  if (say == ExpiryNotice::Say::kNothing) return;
  const bool ended = say == ExpiryNotice::Say::kHasEnded;
  Log(ended ? LogLevel::kError : LogLevel::kWarning,
      ended ? "the certificate has ended: open connections last until they break, and new ones are "
              "refused; renew it"
            : "the certificate ends soon; renew it",
      {{"file", files_.cert},
       {"serial", c.serial},
       {"not_after", CertificateTimeText(c.not_after)}});
}

}  // namespace portolan
