// Opening a data directory: made where it is missing, locked against a second coordinator, its
// schema brought up to date.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/status.h"
#include "coordinator/store/sqlite_store.h"

namespace portolan {
namespace {

absl::Status FileError(const std::string& path, std::string_view what, int error) {
  const std::string message = fmt::format("{}: {}: {}", path, what, strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return PermissionDenied("{}; give --data a directory that this user may write", message);
    case ENOSPC:
    case EDQUOT:
      return ResourceExhausted("{}; free space on that disk", message);
    case ENOTDIR:
    case EEXIST:
      return FailedPrecondition("{}; give --data a directory, not a file", message);
    default:
      return Unavailable("{}; give --data another directory", message);
  }
}

// mkdir -p; what is made is for this user alone.
absl::Status MakeDirectory(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return FileError(part, "cannot make the data directory", errno);
    if (slash == std::string::npos) break;
  }
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return FileError(path, "cannot use the data directory", errno);
  if (!S_ISDIR(st.st_mode)) return FileError(path, "cannot use the data directory", ENOTDIR);
  return absl::OkStatus();
}

class FileLock {
 public:
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }
  absl::Status Take(const std::string& path) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return FileError(path, "cannot make the lock file", errno);
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    if (errno != EWOULDBLOCK) return FileError(path, "cannot lock", errno);
    return FailedPrecondition(
        "{} is locked: another program (a portolan-coordinator, or a local scan) uses this "
        "data directory; wait for it, stop it, or name another directory with --data DIR",
        path);
  }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteOptions& options) {
  if (options.directory.empty())
    return InvalidArgument("the data directory is empty: give --data a directory");
  PORTOLAN_RETURN_IF_ERROR(MakeDirectory(options.directory));
  FileLock lock;
  PORTOLAN_RETURN_IF_ERROR(lock.Take(options.directory + "/portolan.lock"));
  const std::string path = options.directory + "/portolan.db";
  // Made here, so that nobody else may read it even where the directory lets them; SQLite gives its
  // log the same mode.
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return FileError(path, "cannot open the database", errno);
  close(file);
  Connection::Options connection;
  connection.sync_full = options.sync_full;
  connection.cache_kib = 64 * 1024;
  PORTOLAN_ASSIGN_OR_RETURN(std::unique_ptr<Connection> writer, Connection::Open(path, connection));
  PORTOLAN_RETURN_IF_ERROR(Migrate(*writer));
  if (options.max_bytes > 0) {
    PORTOLAN_RETURN_IF_ERROR(writer->Execute(fmt::format(
        "PRAGMA max_page_count = {}", std::max<uint64_t>(1, options.max_bytes / 4096))));
  }
  connection.read_only = true;
  connection.cache_kib = 8 * 1024;
  std::vector<std::unique_ptr<SqliteReader>> readers;
  for (size_t i = 0; i < std::max<size_t>(1, options.readers); ++i) {
    PORTOLAN_ASSIGN_OR_RETURN(std::unique_ptr<Connection> db, Connection::Open(path, connection));
    readers.push_back(std::make_unique<SqliteReader>(std::move(db)));
  }
  return std::unique_ptr<Store>(std::make_unique<SqliteStore>(
      options, lock.Release(), std::move(writer), std::move(readers)));
}

}  // namespace portolan
