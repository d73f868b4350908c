#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ops/log.h"
#include "common/rpc/channel.h"
#include "common/scope/scope.h"

// The flags that all three programs have, said once. Each can also be given by an environment
// variable: --tls-cert is PORTOLAN_TLS_CERT.
namespace portolan {

// --log-format, --log-level.
void AddLogFlags(CLI::App& app, LogOptions* options);

// --tls-cert, --tls-key, --tls-ca.
void AddTlsFlags(CLI::App& app, TlsFiles* tls);

// --allow, --deny, --allow-file, --deny-file; each may be given several times.
class ScopeFlags {
 public:
  // `app` and this must live until the parse is over.
  void AddTo(CLI::App& app);
  bool given() const;
  // The flags again, as words of a command line.
  std::vector<std::string> Words() const;
  // Those of --allow-file and --deny-file.
  std::vector<std::string> files() const;
  // Reads the files. InvalidArgument naming the flag, the value and the remedy.
  absl::StatusOr<Scope> Build() const;

 private:
  std::vector<std::string> allow_, deny_, allow_files_, deny_files_;
};

// An option that may be given several times, one value each: CLI11's default would take all the
// words that follow as its values.
CLI::Option* AddRepeated(CLI::App& app, const std::string& name, std::vector<std::string>* values,
                         const std::string& help);

// Parses. nullopt: go on. 0: --help or --version was printed. 2: bad usage; one line on stderr says
// what, and how to get help.
std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv);
// Parses a command's words (without the program's name) and says nothing. OK also where help or the
// version is asked for; InvalidArgument with the parser's words.
absl::Status CheckFlags(CLI::App& app, std::vector<std::string> words);

}  // namespace portolan
