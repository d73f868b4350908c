// portolan ca VERB: certificates for fleets without a public key infrastructure
#include <fmt/format.h>

#include <filesystem>

#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "common/base/clock.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/pki/authority.h"
#include "common/pki/key_files.h"

namespace portolan {
namespace {

struct CaFlags {
  std::string out = ".", valid, owner;
  bool force = false, json = false;
  std::string domain = AuthorityRequest().domain;  // init
  std::string role, ca, name;                      // issue
  std::vector<std::string> dns, ips;
};

std::string PathIn(const std::string& directory, const std::string& name) {
  return (std::filesystem::path(directory) / name).lexically_normal().string();
}

absl::StatusOr<KeyFileOptions> FileOptions(const CaFlags& flags) {
  KeyFileOptions options;
  options.overwrite = flags.force;
  if (!flags.owner.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(options.owner, ParseOwner(flags.owner));
  }
  return options;
}

absl::Status MakeDirectory(const CaFlags& flags) {
  PORTOLAN_ASSIGN_OR_RETURN(const KeyFileOptions options, FileOptions(flags));
  return MakeKeyDirectory(flags.out, options.owner);
}

// A file in the way is the request's fault (exit code 2).
absl::Status WriteFiles(const std::vector<KeyFile>& files, const CaFlags& flags) {
  PORTOLAN_ASSIGN_OR_RETURN(const KeyFileOptions options, FileOptions(flags));
  const absl::Status status = WriteKeyFiles(files, options);
  return absl::IsAlreadyExists(status) ? InvalidArgument("{}", Message(status)) : status;
}

absl::StatusOr<Duration> ValidOf(const CaFlags& flags, Duration otherwise) {
  if (flags.valid.empty()) return otherwise;
  const absl::StatusOr<Duration> valid = ParseDurationText(flags.valid);
  return valid.ok() ? valid : Annotate(valid.status(), "--valid");
}

absl::Status Tell(const CaFlags& flags, Context& context, const CertifiedKey& made,
                  const std::string& certificate, const std::string& key) {
  if (flags.json) {
    JsonObject o;
    o.Text("type", "certificate").Text("certificate", certificate).Text("key", key);
    o.TextOrNull("uri", made.uri).TimeOrNull("not_after", made.not_after);
    return context.Print(o.Done() + "\n");
  }
  return context.Print(fmt::format("wrote {} and {}: {}, valid until {}\n", Printable(certificate),
                                   Printable(key), made.uri, HumanTime(made.not_after)));
}

absl::StatusOr<int> RunInit(const CaFlags& flags, Context& context) {
  AuthorityRequest request;
  request.domain = flags.domain;
  PORTOLAN_ASSIGN_OR_RETURN(request.valid, ValidOf(flags, kDefaultAuthorityValid));
  PORTOLAN_ASSIGN_OR_RETURN(const CertifiedKey made,
                            CertificateAuthority::Create(request, context.env.clock->Wall()));
  PORTOLAN_RETURN_IF_ERROR(MakeDirectory(flags));
  const std::string certificate = PathIn(flags.out, "ca.pem"), key = PathIn(flags.out, "ca.key");
  PORTOLAN_RETURN_IF_ERROR(
      WriteFiles({{key, made.key, true}, {certificate, made.certificate}}, flags));
  PORTOLAN_RETURN_IF_ERROR(Tell(flags, context, made, certificate, key));
  if (!flags.json) {
    context.env.notes->Note(fmt::format(
        "whoever has {} can join and command the fleet: keep it here, or offline; {} goes "
        "everywhere",
        key, certificate));
  }
  return kExitComplete;
}

absl::StatusOr<CertificateAuthority> LoadAuthority(const std::string& directory) {
  const std::string certificate = PathIn(directory, "ca.pem"), key = PathIn(directory, "ca.key");
  const absl::StatusOr<std::string> certificate_pem = ReadKeyFile(certificate);
  const absl::StatusOr<std::string> key_pem = ReadKeyFile(key);
  for (const absl::Status& status : {key_pem.status(), certificate_pem.status()}) {
    if (absl::IsNotFound(status)) {
      return InvalidArgument(
          "{}: make an authority with portolan ca init --out DIR, or name its directory with --ca "
          "DIR",
          Message(status));
    }
    PORTOLAN_RETURN_IF_ERROR(status);
  }
  absl::StatusOr<CertificateAuthority> authority =
      CertificateAuthority::Load(*certificate_pem, *key_pem);
  return authority.ok() ? std::move(authority)
                        : Annotate(authority.status(), certificate + ", " + key);
}

absl::StatusOr<int> RunIssue(const CaFlags& flags, Context& context) {
  CertificateRequest request;
  PORTOLAN_ASSIGN_OR_RETURN(request.role, ParseCertificateRole(flags.role));
  PORTOLAN_ASSIGN_OR_RETURN(request.valid, ValidOf(flags, kDefaultCertificateValid));
  request.name = flags.name;
  request.dns = flags.dns;
  request.ips = flags.ips;
  PORTOLAN_ASSIGN_OR_RETURN(const CertificateAuthority authority,
                            LoadAuthority(flags.ca.empty() ? flags.out : flags.ca));
  const WallTime now = context.env.clock->Wall();
  PORTOLAN_ASSIGN_OR_RETURN(const CertifiedKey made, authority.Issue(request, now));

  PORTOLAN_RETURN_IF_ERROR(MakeDirectory(flags));
  const std::string base = PathIn(flags.out, flags.role);
  const std::string trusted = PathIn(flags.out, "ca.pem");
  // The certificate last: who watches the two reads a pair.
  std::vector<KeyFile> files = {{base + ".key", made.key, true}, {base + ".pem", made.certificate}};
  const absl::StatusOr<std::string> bundle = ReadKeyFile(trusted);
  if (absl::IsNotFound(bundle.status())) {
    files.insert(files.begin(), {trusted, authority.certificate()});
  } else if (!bundle.ok()) {
    return bundle.status();
  } else if (!BundleHolds(*bundle, authority.certificate())) {
    return InvalidArgument(
        "{}: holds other authorities than the one that would sign; add its certificate there "
        "(cat CA/ca.pem >> {}), or give another --out",
        trusted, trusted);
  }
  PORTOLAN_RETURN_IF_ERROR(WriteFiles(files, flags));
  PORTOLAN_RETURN_IF_ERROR(Tell(flags, context, made, base + ".pem", base + ".key"));
  if (!flags.valid.empty() && made.not_after >= authority.not_after() &&
      now + std::chrono::floor<std::chrono::microseconds>(request.valid) > authority.not_after())
    context.env.notes->Note("valid for less than asked: the authority ends then, too");
  return kExitComplete;
}

void AddOutFlags(CLI::App* app, CaFlags* flags, const char* valid) {
  app->add_option("--valid", flags->valid, valid)->option_text("DURATION")->group("What");
  app->add_option("--out", flags->out,
                  "Where the files go; made with mode 0700 when it is not there. Default: here.")
      ->option_text("DIR")
      ->group("Files");
  app->add_option("--owner", flags->owner,
                  "Whom the files belong to: the user that the program runs as, by name or number. "
                  "For root. Default: who calls.")
      ->option_text("USER")
      ->group("Files");
  app->add_flag("--force", flags->force, "Replace files that are there.")->group("Files");
  app->add_flag("--json", flags->json, "One JSON object, \"type\":\"certificate\".")
      ->group("Output");
}

void AddInit(Program& program, CLI::App* ca) {
  auto flags = std::make_shared<CaFlags>();
  CLI::App* app = program.AddVerb(
      ca, "init",
      {"[OPTION]...", "make an authority: ca.pem and ca.key",
       "ca.pem is what every program is given as --tls-ca. ca.key (mode 0600) makes certificates; "
       "it is needed on no machine of the fleet, only for making more: portolan ca issue.",
       "  portolan ca init --out ~/portolan-ca\n"
       "  portolan ca init --out ~/portolan-ca --domain example.org --valid 180d"},
      [flags](Context& context) { return RunInit(*flags, context); });
  app->add_option("--domain", flags->domain,
                  "The trust domain in the names of certificates: spiffe://DOMAIN/portolan/agent. "
                  "Default: portolan.")
      ->option_text("DOMAIN")
      ->group("What");
  AddOutFlags(app, flags.get(),
              "How long it is valid; so are all certificates, at most. Default: 365d.");
}

void AddIssue(Program& program, CLI::App* ca) {
  auto flags = std::make_shared<CaFlags>();
  CLI::App* app = program.AddVerb(
      ca, "issue",
      {"[OPTION]... coordinator|agent|operator",
       "make a key and a certificate: ROLE.pem and ROLE.key",
       "An agent may only report results, an operator may only make scans and ask, the coordinator "
       "only answers. With --name, a certificate is good for the agent of that name alone. ca.pem "
       "is put beside the files, so that the directory holds all three that --tls-cert, --tls-key "
       "and --tls-ca want. Nothing can be revoked: keep --valid short, and renew with --force; "
       "running programs read the files again within 30 s.",
       "  portolan ca issue coordinator --ca ~/portolan-ca --out coordinator --dns "
       "scan.example.org --ip 10.0.0.5\n"
       "  portolan ca issue agent --name dmz-1 --ca ~/portolan-ca --out dmz-1\n"
       "  portolan ca issue operator --name alice --ca ~/portolan-ca --out alice --valid 30d\n"
       "  sudo portolan ca issue agent --ca /root/portolan-ca --out /etc/portolan/agent --owner "
       "portolan-agent --force"},
      [flags](Context& context) { return RunIssue(*flags, context); });
  app->add_option("role", flags->role, "Whose: coordinator, agent or operator.")
      ->option_text("ROLE")
      ->required()
      ->group("What");
  app->add_option("--name", flags->name,
                  "The one agent (its --name) or operator that may use it. Default: any of them.")
      ->option_text("NAME")
      ->group("What");
  const auto repeated = [&](const char* flag, std::vector<std::string>* values, const char* text,
                            const char* help) {
    AddRepeated(*app, flag, values, help)->option_text(text)->group("What");
  };
  repeated("--dns", &flags->dns, "NAME",
           "A name that the coordinator is dialled by. May be repeated.");
  repeated("--ip", &flags->ips, "ADDRESS",
           "An address that the coordinator is dialled by. May be repeated.");
  AddOutFlags(app, flags.get(), "How long it is valid. Default: 90d.");
  app->add_option("--ca", flags->ca, "Where ca.pem and ca.key are. Default: --out.")
      ->option_text("DIR")
      ->group("Files");
}

}  // namespace

void AddCa(Program& program) {
  auto self = std::make_shared<CLI::App*>(nullptr);
  CLI::App* ca = program.AddVerb(
      &program.root(), "ca",
      {"VERB [OPTION]...", "make the certificates of a fleet that has no authority of its own",
       "Asks nobody. Whoever has an authority already (cert-manager, Vault, step-ca) needs none of "
       "this: what a certificate must hold is in portolan-coordinator --help.",
       "  portolan ca init --out ~/portolan-ca\n"
       "  portolan ca issue coordinator --ca ~/portolan-ca --out coordinator --dns "
       "scan.example.org\n"
       "  portolan ca issue agent --ca ~/portolan-ca --out agent\n"
       "  portolan ca issue operator --ca ~/portolan-ca --out operator"},
      [self](Context& context) -> absl::StatusOr<int> {
        context.env.notes->Print((*self)->help());
        return kExitUsage;
      });
  *self = ca;
  AddInit(program, ca);
  AddIssue(program, ca);
}

}  // namespace portolan
