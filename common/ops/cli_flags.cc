#include "common/ops/cli_flags.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "common/base/status.h"

namespace portolan {
namespace {

// A scope flag's rules: one, or several after ';' or line ends (environment variables), or after
// commas when none names ports.
absl::Status AddRules(const char* flag, const std::vector<std::string>& values,
                      std::vector<ScopeRule>* out) {
  const auto split = [](std::string_view text, const char* separators) {
    std::vector<std::string> parts;
    while (true) {
      const size_t end = text.find_first_of(separators);
      std::string_view part = text.substr(0, end);
      while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
      while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.remove_suffix(1);
      parts.emplace_back(part);
      if (end == std::string_view::npos) return parts;
      text.remove_prefix(end + 1);
    }
  };
  for (const std::string& value : values) {
    for (const std::string& part : split(value, ";\n")) {
      if (part.empty() && values.size() == 1 && !value.empty()) continue;  // "a;"
      const bool ports = part.find_first_of(" \t") != std::string::npos;
      for (const std::string& rule : ports ? std::vector<std::string>{part} : split(part, ",")) {
        absl::StatusOr<ScopeRule> parsed = ParseScopeRule(rule);
        if (!parsed.ok()) return Annotate(parsed.status(), fmt::format("{} \"{}\"", flag, value));
        out->push_back(*std::move(parsed));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status AddFiles(const char* flag, const std::vector<std::string>& paths,
                      std::vector<ScopeRule>* out) {
  for (const std::string& path : paths) {
    absl::StatusOr<std::vector<ScopeRule>> rules = ReadScopeFile(path);
    if (!rules.ok()) return Annotate(rules.status(), flag);
    for (ScopeRule& rule : *rules) out->push_back(std::move(rule));
  }
  return absl::OkStatus();
}

}  // namespace

CLI::Option* AddRepeated(CLI::App& app, const std::string& name, std::vector<std::string>* values,
                         const std::string& help) {
  return app.add_option(name, *values, help)
      ->type_size(1)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void AddLogFlags(CLI::App& app, LogOptions* options) {
  app.add_option("--log-format", options->format, "text, or json: an object a line")
      ->envname("PORTOLAN_LOG_FORMAT")
      ->type_name("FORMAT")
      ->capture_default_str()
      ->group("Logging");
  app.add_option("--log-level", options->level, "debug, info, warning or error")
      ->envname("PORTOLAN_LOG_LEVEL")
      ->type_name("LEVEL")
      ->capture_default_str()
      ->group("Logging");
}

void AddTlsFlags(CLI::App& app, TlsFiles* tls) {
  app.add_option("--tls-cert", tls->cert,
                 "This program's certificate (PEM, with its chain), named by a SAN URI "
                 "spiffe://DOMAIN/portolan/ROLE")
      ->envname("PORTOLAN_TLS_CERT")
      ->type_name("FILE")
      ->group("TLS (all three or none; files are read again when they change)");
  app.add_option("--tls-key", tls->key,
                 "The certificate's private key (PEM, without a pass phrase)")
      ->envname("PORTOLAN_TLS_KEY")
      ->type_name("FILE")
      ->group("TLS (all three or none; files are read again when they change)");
  app.add_option("--tls-ca", tls->ca, "The authorities whose certificates are accepted (PEM)")
      ->envname("PORTOLAN_TLS_CA")
      ->type_name("FILE")
      ->group("TLS (all three or none; files are read again when they change)");
}

void ScopeFlags::AddTo(CLI::App& app) {
  const std::string group = "Scope";
  AddRepeated(app, "--allow", &allow_,
              "Addresses that may be probed besides loopback and private networks: ADDRESS, CIDR "
              "or FIRST-LAST, and ports after a blank "
              "(\"192.0.2.0/24 80,443\"). May be given several times. \"none\" takes the default "
              "away, so that only the other rules count")
      ->envname("PORTOLAN_ALLOW")
      ->type_name("RULE")
      ->group(group);
  AddRepeated(app, "--deny", &deny_,
              "Never probe these; wins over --allow. Cloud metadata, link-local, multicast and "
              "broadcast addresses are denied always")
      ->envname("PORTOLAN_DENY")
      ->type_name("RULE")
      ->group(group);
  AddRepeated(app, "--allow-file", &allow_files_,
              "Rules of --allow from a file, one a line, # comments; read again when it changes")
      ->envname("PORTOLAN_ALLOW_FILE")
      ->type_name("FILE")
      ->group(group);
  AddRepeated(app, "--deny-file", &deny_files_,
              "Rules of --deny from a file; read again when it changes")
      ->envname("PORTOLAN_DENY_FILE")
      ->type_name("FILE")
      ->group(group);
}

bool ScopeFlags::given() const {
  return !allow_.empty() || !deny_.empty() || !allow_files_.empty() || !deny_files_.empty();
}

std::vector<std::string> ScopeFlags::Words() const {
  std::vector<std::string> out;
  const auto add = [&](const char* flag, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      out.emplace_back(flag);
      out.push_back(value);
    }
  };
  add("--allow", allow_);
  add("--deny", deny_);
  add("--allow-file", allow_files_);
  add("--deny-file", deny_files_);
  return out;
}

std::vector<std::string> ScopeFlags::files() const {
  std::vector<std::string> out = allow_files_;
  out.insert(out.end(), deny_files_.begin(), deny_files_.end());
  return out;
}

absl::StatusOr<Scope> ScopeFlags::Build() const {
  std::vector<ScopeRule> allow, deny;
  PORTOLAN_RETURN_IF_ERROR(AddRules("--allow", allow_, &allow));
  PORTOLAN_RETURN_IF_ERROR(AddRules("--deny", deny_, &deny));
  PORTOLAN_RETURN_IF_ERROR(AddFiles("--allow-file", allow_files_, &allow));
  PORTOLAN_RETURN_IF_ERROR(AddFiles("--deny-file", deny_files_, &deny));
  return Scope::Create(std::move(allow), std::move(deny));
}

absl::Status CheckFlags(CLI::App& app, std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(std::move(words));
  } catch (const CLI::Success&) {  // help, version
    return absl::OkStatus();
  } catch (const CLI::Error& e) {
    return InvalidArgument("{}", e.what());
  }
  return absl::OkStatus();
}

std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& e) {  // help, version
    app.exit(e, std::cout, std::cerr);
    std::cout.flush();
    return 0;
  } catch (const CLI::Error& e) {
    fmt::print(stderr, "{}: {}\nTry {} --help.\n", app.get_name(), e.what(), app.get_name());
    return 2;
  }
}

}  // namespace portolan
