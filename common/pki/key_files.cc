#include "common/pki/key_files.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr size_t kMaxFile = 1u << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status SystemError(std::string_view path, int error) {
  const std::string text = fmt::format("{}: {}", path, std::strerror(error));
  if (error == EACCES || error == EPERM || error == EROFS)
    return MakeStatus(absl::StatusCode::kPermissionDenied, text);
  if (error == ENOENT) return MakeStatus(absl::StatusCode::kNotFound, text);
  return MakeStatus(absl::StatusCode::kUnavailable, text);
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncDirectory(const std::string& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot sync a directory (EINVAL): what is there then is as good as it gets.
  if (fd.get() < 0 || (::fsync(fd.get()) != 0 && errno != EINVAL)) return SystemError(path, errno);
  return absl::OkStatus();
}

// The files under their temporary names, which go with the object.
class Staged {
 public:
  Staged() = default;
  ~Staged() {
    for (const std::string& path : paths_) ::unlink(path.c_str());
  }
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;

  absl::Status Add(const KeyFile& file, const KeyFileOptions& options) {
    const std::string path = fmt::format("{}.new{}", file.path, ::getpid());
    // Left by a process of this number that was killed; in a container all have the same.
    ::unlink(path.c_str());
    const Descriptor fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd.get() < 0) return SystemError(path, errno);
    paths_.push_back(path);
    std::string_view rest = file.text;
    while (!rest.empty()) {
      const ssize_t n = ::write(fd.get(), rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError(path, errno);
      rest.remove_prefix(static_cast<size_t>(n));
    }
    if (options.owner.has_value() &&
        ::fchown(fd.get(), options.owner->first, options.owner->second) != 0) {
      return Annotate(SystemError(path, errno), "--owner");
    }
    // Whatever the umask is: a certificate that its program cannot read helps nobody.
    if (::fchmod(fd.get(), file.secret ? 0600 : 0644) != 0 || ::fsync(fd.get()) != 0)
      return SystemError(path, errno);
    return absl::OkStatus();
  }
  const std::string& path(size_t i) const { return paths_[i]; }

 private:
  std::vector<std::string> paths_;
};

absl::Status Exists(const std::string& path) {
  return AlreadyExists(
      "{}: is there already, and stays as it is; --force replaces it, --out DIR goes elsewhere",
      path);
}

absl::Status Publish(const std::string& from, const std::string& to, bool overwrite) {
  if (overwrite)
    return ::rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus() : SystemError(to, errno);
  // A link refuses a name that is taken, which a rename does not.
  if (::link(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return errno == EEXIST ? Exists(to) : SystemError(to, errno);
}

}  // namespace

absl::Status WriteKeyFiles(const std::vector<KeyFile>& files, const KeyFileOptions& options) {
  for (const KeyFile& file : files) {
    struct stat ignored {};
    if (!options.overwrite && ::lstat(file.path.c_str(), &ignored) == 0) return Exists(file.path);
  }
  Staged staged;
  for (const KeyFile& file : files) PORTOLAN_RETURN_IF_ERROR(staged.Add(file, options));
  for (size_t i = 0; i < files.size(); ++i) {
    absl::Status status = Publish(staged.path(i), files[i].path, options.overwrite);
    if (status.ok()) continue;
    // Ours, from a moment ago. What was overwritten cannot be brought back.
    for (size_t j = 0; !options.overwrite && j < i; ++j) ::unlink(files[j].path.c_str());
    return status;
  }
  for (const KeyFile& file : files) PORTOLAN_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(file.path)));
  return absl::OkStatus();
}

absl::Status MakeKeyDirectory(const std::string& path,
                              const std::optional<std::pair<uid_t, gid_t>>& owner) {
  for (size_t end = 1; end != std::string::npos && !path.empty();) {
    end = path.find('/', end);
    const std::string part = path.substr(0, end);
    if (end != std::string::npos) end = path.find_first_not_of('/', end);
    const bool last = end == std::string::npos;
    // The owner must get through those on the way.
    if (::mkdir(part.c_str(), last || !owner ? 0700 : 0755) != 0) {
      if (errno != EEXIST) return SystemError(part, errno);
    } else if (last && owner && ::chown(part.c_str(), owner->first, owner->second) != 0) {
      return Annotate(SystemError(part, errno), "--owner");
    }
  }
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return SystemError(path, errno);
  if (!S_ISDIR(found.st_mode))
    return InvalidArgument("{}: is no directory; give another one", path);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadKeyFile(const std::string& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, errno);
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError(path, errno);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxFile) return InvalidArgument("{}: larger than 1 MiB", path);
  }
}

absl::StatusOr<std::pair<uid_t, gid_t>> ParseOwner(const std::string& text) {
  uid_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool numeric = error == std::errc() && end == text.data() + text.size();
  char buffer[16384];
  struct passwd entry {};
  struct passwd* found = nullptr;
  const int failed = numeric ? ::getpwuid_r(number, &entry, buffer, sizeof(buffer), &found)
                             : ::getpwnam_r(text.c_str(), &entry, buffer, sizeof(buffer), &found);
  if (failed == 0 && found != nullptr) return std::pair(found->pw_uid, found->pw_gid);
  // Of a container, perhaps: no user of this machine, and its group is called the same there.
  if (numeric) return std::pair<uid_t, gid_t>(number, number);
  return InvalidArgument("--owner \"{}\": no such user; give a user's name or number", text);
}

}  // namespace portolan
