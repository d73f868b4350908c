#pragma once

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace portolan {

// Makes every connect() of this process to one IPv4 port fail with an errno of choice: a BPF
// program on a cgroup of its own, which this process is moved into. So the kernel itself returns
// the error, to a system call and to io_uring alike. Only sockets made after Enter are concerned.
// Needs root, cgroup2 and Linux 5.18.
class ConnectFault {
 public:
  ~ConnectFault() {
    if (directory_.empty()) return;
    Write(Root() + "/cgroup.procs", std::to_string(getpid()));
    rmdir(directory_.c_str());
  }
  // False: not possible here.
  bool Enter() {
    if (Root().empty()) return false;
    directory_ = Root() + "/portolan-test-" + std::to_string(getpid());
    if (mkdir(directory_.c_str(), 0755) != 0) {
      directory_.clear();
      return false;
    }
    return Write(directory_ + "/cgroup.procs", std::to_string(getpid()));
  }
  // From now on, in place of what was set before.
  bool Set(uint16_t port, int error) {
    const bpf_insn program[] = {
        // if (context->user_port != htons(port)) return 1;
        {BPF_LDX | BPF_W | BPF_MEM, 2, 1, offsetof(bpf_sock_addr, user_port), 0},
        {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 2, htons(port)},
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
        // bpf_set_retval(-error); return 0;
        {BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, -error},
        {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_set_retval},
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
    load.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
    load.insns = reinterpret_cast<uintptr_t>(program);
    load.insn_cnt = sizeof program / sizeof program[0];
    load.license = reinterpret_cast<uintptr_t>("GPL");
    const int fd = Bpf(BPF_PROG_LOAD, load);
    const int group = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bpf_attr attach{};
    attach.target_fd = static_cast<uint32_t>(group);
    attach.attach_bpf_fd = static_cast<uint32_t>(fd);
    attach.attach_type = BPF_CGROUP_INET4_CONNECT;
    const bool done = fd >= 0 && group >= 0 && Bpf(BPF_PROG_ATTACH, attach) == 0;
    if (fd >= 0) close(fd);
    if (group >= 0) close(group);
    return done;
  }

 private:
  static int Bpf(int command, bpf_attr& attr) {
    return static_cast<int>(syscall(SYS_bpf, command, &attr, sizeof attr));
  }
  static bool Write(const std::string& path, const std::string& text) {
    FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return false;
    const bool written = std::fputs(text.c_str(), file) >= 0;
    return std::fclose(file) == 0 && written;
  }
  // Where cgroup2 is mounted; empty: nowhere.
  static std::string Root() {
    for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      struct stat info;
      if (stat((std::string(path) + "/cgroup.procs").c_str(), &info) == 0 &&
          stat((std::string(path) + "/cgroup.controllers").c_str(), &info) == 0)
        return path;
    }
    return "";
  }

  std::string directory_;
};

}  // namespace portolan
