#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace portolan {

// Where results go: stdout, a file, or a string in tests. One thread.
class Output {
 public:
  virtual ~Output() = default;
  // Cancelled: the reader of a pipe is gone (end quietly, exit 141). Other errors name the file and
  // the cause. After the first error every call returns it again and writes nothing.
  virtual absl::Status Write(std::string_view text) = 0;
  // Hands what is buffered to the system: for readers that wait for each line.
  virtual absl::Status Flush() = 0;
  // Hands everything to the system; for a file: puts it in its place. Call it once at the end of a
  // success.
  virtual absl::Status Close() = 0;
};

class StringOutput : public Output {
 public:
  absl::Status Write(std::string_view text) override {
    text_ += text;
    return absl::OkStatus();
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Buffers up to 64 KiB before each write(2). Does not own the descriptor. What is in the buffer
// when it is destroyed is dropped: Close it.
class FdOutput : public Output {
 public:
  FdOutput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  absl::Status Write(std::string_view text) override;
  absl::Status Close() override { return Flush(); }
  absl::Status Flush() override;

 private:
  int fd_;
  std::string name_;
  std::string buffer_;
  absl::Status failed_;
};

// A file that is complete or not there: written beside its place under a temporary name, then
// renamed by Close. Dropped without Close, it leaves nothing and an older file as it was.
class FileOutput : public Output {
 public:
  // PermissionDenied, NotFound, ...: the file cannot be created; names it.
  static absl::StatusOr<std::unique_ptr<FileOutput>> Create(const std::string& path);
  ~FileOutput() override;
  absl::Status Write(std::string_view text) override { return out_.Write(text); }
  absl::Status Flush() override { return out_.Flush(); }
  absl::Status Close() override;

 private:
  FileOutput(int fd, std::string path, std::string temporary);
  int fd_;
  std::string path_, temporary_;
  FdOutput out_;
};

}  // namespace portolan
