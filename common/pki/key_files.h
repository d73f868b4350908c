#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace portolan {

struct KeyFile {
  std::string path, text;
  bool secret = false;  // mode 0600, else 0644
};

struct KeyFileOptions {
  bool overwrite = false;
  std::optional<std::pair<uid_t, gid_t>> owner;  // else who runs the program
};

// Writes the files so that each appears whole, synced to disk and with its mode and owner, and that
// no secret is ever readable by others. AlreadyExists naming the file when one is there and may not
// be overwritten: then none is written. Symbolic links are replaced, not followed.
absl::Status WriteKeyFiles(const std::vector<KeyFile>& files, const KeyFileOptions& options);

// Makes it, and what is missing above it, with mode 0700 and the owner of the files, who must get
// at them. One that is there stays as it is.
absl::Status MakeKeyDirectory(const std::string& path, const KeyFileOptions& options);

// NotFound when there is none. At most 1 MiB.
absl::StatusOr<std::string> ReadKeyFile(const std::string& path);

// A user's name or number, with its group. InvalidArgument: unknown.
absl::StatusOr<std::pair<uid_t, gid_t>> ParseOwner(const std::string& text);

}  // namespace portolan
