#include "cli/render/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "common/base/status.h"

namespace portolan {
namespace {
constexpr size_t kBuffer = size_t{64} * 1024;
}  // namespace

absl::Status FdOutput::Write(std::string_view text) {
  if (!failed_.ok()) return failed_;
  buffer_ += text;
  return buffer_.size() < kBuffer ? absl::OkStatus() : Flush();
}

absl::Status FdOutput::Flush() {
  size_t sent = 0;
  while (failed_.ok() && sent < buffer_.size()) {
    const ssize_t n = ::write(fd_, buffer_.data() + sent, buffer_.size() - sent);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN ||
               errno ==
                   EWOULDBLOCK) {  // stdout may share a description that someone made non-blocking
      pollfd p{fd_, POLLOUT, 0};
      ::poll(&p, 1, 1000);
    } else if (errno == EPIPE) {
      failed_ = Cancelled("{}: its reader has gone", name_);
    } else if (errno != EINTR) {
      const int error = errno;
      failed_ =
          error == ENOSPC || error == EDQUOT
              ? ResourceExhausted("writing {}: {}: free space or write elsewhere with --output",
                                  name_, std::strerror(error))
              : Unavailable("writing {}: {}", name_, std::strerror(error));
    }
  }
  buffer_.clear();
  return failed_;
}

FileOutput::FileOutput(int fd, std::string path, std::string temporary)
    : fd_(fd), path_(path), temporary_(std::move(temporary)), out_(fd, "\"" + path + "\"") {}

absl::StatusOr<std::unique_ptr<FileOutput>> FileOutput::Create(const std::string& path) {
  struct stat info;
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode))
    return InvalidArgument("--output \"{}\": is a directory; name a file", path);
  // A device or a pipe (/dev/stderr, /dev/null) is written in place: it must not be replaced by a
  // file.
  if (exists && !S_ISREG(info.st_mode)) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return InvalidArgument("--output \"{}\": {}", path, std::strerror(errno));
    return std::unique_ptr<FileOutput>(new FileOutput(fd, path, ""));
  }
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) {
    return InvalidArgument(
        "--output \"{}\": cannot create a file there: {}; name a file in a directory that you may "
        "write",
        path, std::strerror(errno));
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd, exists ? info.st_mode & 0777 : 0666 & ~mask);  // mkostemp made it 0600
  return std::unique_ptr<FileOutput>(new FileOutput(fd, path, temporary));
}

FileOutput::~FileOutput() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

absl::Status FileOutput::Close() {
  PORTOLAN_RETURN_IF_ERROR(out_.Flush());
  if (temporary_.empty()) {
    ::close(std::exchange(fd_, -1));
    return absl::OkStatus();
  }
  if (::fsync(fd_) != 0 && errno != EINVAL)
    return Unavailable("writing \"{}\": {}", path_, std::strerror(errno));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return Unavailable("putting \"{}\" in its place: {}", path_, std::strerror(errno));
  }
  ::close(std::exchange(fd_, -1));
  return absl::OkStatus();
}

}  // namespace portolan
