#include "coordinator/notify/receiver_file.h"

#include <algorithm>
#include <exception>
#include <map>
#include <set>

#include "common/base/status.h"
#include "coordinator/notify/receiver_yaml.h"

namespace portolan {
namespace {

constexpr size_t kMaxFile = 1 << 20;
constexpr size_t kMaxReceivers = 64;  // each has a thread
constexpr size_t kMaxHeaders = 32;

bool IsToken(std::string_view name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// What a sender decides itself.
bool IsOurHeader(const std::string& name) {
  static const std::set<std::string> ours = {
      "host",       "content-length", "content-type", "content-encoding", "transfer-encoding",
      "connection", "keep-alive",     "te",           "trailer",          "upgrade",
      "expect"};
  const std::string lower = Lower(name);
  return ours.count(lower) > 0 || lower.rfind("x-portolan-", 0) == 0;
}

class Parser : public YamlFields {
 public:
  using YamlFields::YamlFields;

  absl::Status Parse(std::string_view text, WebhookConfig* config) {
    const YAML::Node root = YAML::Load(std::string(text));
    return Map(
        root, "the file",
        {{"link", [&](const YAML::Node& n) { return Link(n, &config->link); }},
         {"receivers", [&](const YAML::Node& n) { return Receivers(n, &config->receivers); }}},
        {"receivers"});
  }

 private:
  absl::Status Link(const YAML::Node& node, std::string* out) {
    PORTOLAN_ASSIGN_OR_RETURN(*out, Scalar(node, "link"));
    // What is no placeholder must be a URL as it stands.
    std::string plain = *out;
    for (const std::string name :
         {"{id}", "{monitor}", "{vantage}", "{target}", "{address}", "{port}"}) {
      for (size_t at; (at = plain.find(name)) != std::string::npos;)
        plain.replace(at, name.size(), "x");
    }
    if (plain.find_first_of("{}") != std::string::npos) {
      return Bad(node.Mark(),
                 "link \"{}\": only {{id}}, {{monitor}}, {{vantage}}, {{target}}, {{address}} and "
                 "{{port}} can be filled in",
                 *out);
    }
    plain = plain.substr(0, plain.find('#'));
    const absl::StatusOr<WebhookUrl> url = WebhookUrl::Parse(plain);
    if (!url.ok()) return Bad(node.Mark(), "link: {}", Message(url.status()));
    return absl::OkStatus();
  }

  absl::Status Receivers(const YAML::Node& node, std::vector<WebhookReceiver>* out) {
    if (!node.IsSequence()) return Bad(node.Mark(), "receivers: write a list, each with - name:");
    if (node.size() > kMaxReceivers) {
      return Bad(node.Mark(), "{} receivers: at most {}", node.size(), kMaxReceivers);
    }
    for (const YAML::Node& item : node) {
      WebhookReceiver receiver;
      PORTOLAN_RETURN_IF_ERROR(Receiver(item, &receiver));
      for (const WebhookReceiver& other : *out) {
        if (other.name == receiver.name) {
          return Bad(item.Mark(), "receiver \"{}\" is there twice: rename one", receiver.name);
        }
      }
      out->push_back(std::move(receiver));
    }
    return absl::OkStatus();
  }

  absl::Status Receiver(const YAML::Node& node, WebhookReceiver* r) {
    bool has_url = false;
    const auto url = [&](const YAML::Node& n, const absl::StatusOr<std::string>& text) {
      if (!text.ok()) return text.status();
      if (has_url) return Bad(n.Mark(), "url and url_file are both given: remove one");
      has_url = true;
      absl::StatusOr<WebhookUrl> parsed = WebhookUrl::Parse(*text);
      if (!parsed.ok()) return Bad(n.Mark(), "{}", Message(parsed.status()));
      r->url = *std::move(parsed);
      return absl::OkStatus();
    };
    const std::map<std::string, Field> fields = {
        {"name", [&](const YAML::Node& n) { return Name(n, &r->name); }},
        {"url", [&](const YAML::Node& n) { return url(n, Scalar(n, "url")); }},
        {"url_file", [&](const YAML::Node& n) { return url(n, Secret(n, "url_file")); }},
        {"format", [&](const YAML::Node& n) { return Format(n, &r->format); }},
        {"secret_file",
         [&](const YAML::Node& n) -> absl::Status {
           PORTOLAN_ASSIGN_OR_RETURN(r->secret, Secret(n, "secret_file"));
           return absl::OkStatus();
         }},
        {"timeout",
         [&](const YAML::Node& n) -> absl::Status {
           PORTOLAN_ASSIGN_OR_RETURN(r->timeout, Time(n, "timeout", std::chrono::milliseconds(100),
                                                      std::chrono::minutes(2), "100ms to 2m"));
           return absl::OkStatus();
         }},
        {"max_age",
         [&](const YAML::Node& n) -> absl::Status {
           PORTOLAN_ASSIGN_OR_RETURN(r->max_age, Time(n, "max_age", std::chrono::minutes(1),
                                                      std::chrono::hours(24 * 30), "1m to 30d"));
           return absl::OkStatus();
         }},
        {"tls_ca_file", [&](const YAML::Node& n) { return CaFile(n, &r->tls_ca_file); }},
        {"headers", [&](const YAML::Node& n) { return Headers(n, r); }},
        {"group", [&](const YAML::Node& n) { return Group(n, &r->group.emplace()); }},
        {"filter", [&](const YAML::Node& n) { return Filter(n, &r->filter); }}};
    PORTOLAN_RETURN_IF_ERROR(Map(node, "a receiver", fields, {"name"}));
    if (!has_url) {
      return Bad(node.Mark(), "receiver \"{}\": add url, or url_file where the URL is a secret",
                 r->name);
    }
    if (!r->tls_ca_file.empty() && !r->url.tls) {
      return Bad(node.Mark(), "receiver \"{}\": tls_ca_file is for https://, its url is http://",
                 r->name);
    }
    return absl::OkStatus();
  }

  absl::Status Name(const YAML::Node& node, std::string* out) {
    PORTOLAN_ASSIGN_OR_RETURN(*out, Scalar(node, "name"));
    if (IsToken(*out)) return absl::OkStatus();
    return Bad(node.Mark(), "name \"{}\": give letters, digits, - and _, at most 100", *out);
  }

  absl::Status Format(const YAML::Node& node, WebhookFormat* out) {
    PORTOLAN_ASSIGN_OR_RETURN(const std::string text, Scalar(node, "format"));
    static const std::map<std::string, WebhookFormat> formats = {
        {"portolan", WebhookFormat::kPortolan},
        {"alertmanager", WebhookFormat::kAlertmanager},
        {"slack", WebhookFormat::kSlack}};
    const auto found = formats.find(text);
    if (found == formats.end()) {
      return Bad(node.Mark(), "format \"{}\": one of portolan, alertmanager, slack", text);
    }
    *out = found->second;
    return absl::OkStatus();
  }

  absl::Status CaFile(const YAML::Node& node, std::string* out) {
    PORTOLAN_ASSIGN_OR_RETURN(const std::string name, Scalar(node, "tls_ca_file"));
    *out = Resolve(name);
    const absl::StatusOr<std::string> text = ReadWholeFile(*out, kMaxFile);
    if (!text.ok()) return Bad(node.Mark(), "tls_ca_file: {}", Message(text.status()));
    if (text->find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
      return Bad(node.Mark(), "tls_ca_file \"{}\": holds no certificate in PEM", name);
    }
    return absl::OkStatus();
  }

  absl::Status Headers(const YAML::Node& node, WebhookReceiver* r) {
    if (!node.IsMap()) return Bad(node.Mark(), "headers: write it as names and values");
    if (node.size() > kMaxHeaders) return Bad(node.Mark(), "headers: at most {}", kMaxHeaders);
    for (const auto& item : node) {
      PORTOLAN_ASSIGN_OR_RETURN(const std::string name, Scalar(item.first, "a header"));
      if (!IsToken(name)) {
        return Bad(item.first.Mark(), "header \"{}\": give letters, digits, - and _", name);
      }
      if (IsOurHeader(name)) {
        return Bad(item.first.Mark(), "header \"{}\" is set by Portolan: remove it", name);
      }
      std::string value;
      const YAML::Node& given = item.second;
      if (given.IsMap()) {
        PORTOLAN_RETURN_IF_ERROR(Map(given, "a header",
                                     {{"file",
                                       [&](const YAML::Node& n) -> absl::Status {
                                         PORTOLAN_ASSIGN_OR_RETURN(value, Secret(n, "file"));
                                         return absl::OkStatus();
                                       }}},
                                     {"file"}));
      } else {
        PORTOLAN_ASSIGN_OR_RETURN(value, Scalar(given, "a header"));
      }
      // The value is not shown: it may be a token.
      if (std::any_of(value.begin(), value.end(), [](char c) { return c < ' ' || c >= 0x7F; })) {
        return Bad(given.Mark(), "header \"{}\": its value holds a control or non-ASCII character",
                   name);
      }
      for (const auto& other : r->headers) {
        if (Lower(other.first) == Lower(name)) {
          return Bad(item.first.Mark(), "header \"{}\" is given twice: remove one", name);
        }
      }
      r->headers.emplace_back(name, std::move(value));
    }
    return absl::OkStatus();
  }

  absl::Status Group(const YAML::Node& node, WebhookGrouping* group) {
    if (!node.IsMap()) {
      return Bad(node.Mark(), "group: write it like {{wait: 30s, by: [monitor, host]}}");
    }
    return Map(node, "group",
               {{"wait",
                 [&](const YAML::Node& n) -> absl::Status {
                   PORTOLAN_ASSIGN_OR_RETURN(
                       group->wait, Time(n, "wait", kMinGroupWait, kMaxGroupWait, "1s to 1h"));
                   return absl::OkStatus();
                 }},
                {"by", [&](const YAML::Node& n) { return GroupBy(n, &group->by); }}},
               {"wait", "by"});
  }

  absl::Status GroupBy(const YAML::Node& node, std::vector<GroupKey>* by) {
    if (!node.IsSequence() || node.size() == 0) {
      return Bad(node.Mark(), "by: write a list like [monitor, host], of {}", GroupKeyNames());
    }
    PORTOLAN_ASSIGN_OR_RETURN(const auto values, List(node, "by"));
    for (const auto& [text, mark] : values) {
      const auto key = ParseGroupKey(text);
      if (!key) return Bad(mark, "by \"{}\": one of {}", text, GroupKeyNames());
      if (std::find(by->begin(), by->end(), *key) != by->end()) {
        return Bad(mark, "by \"{}\" is given twice: remove one", text);
      }
      by->push_back(*key);
    }
    return absl::OkStatus();
  }

  absl::Status Filter(const YAML::Node& node, WebhookFilter* filter) {
    return Map(
        node, "filter",
        {{"min_severity",
          [&](const YAML::Node& n) -> absl::Status {
            PORTOLAN_ASSIGN_OR_RETURN(const std::string text, Scalar(n, "min_severity"));
            const auto severity = ParseSeverity(text);
            if (!severity) {
              return Bad(n.Mark(), "min_severity \"{}\": one of info, low, medium, high, critical",
                         text);
            }
            filter->min_severity = *severity;
            return absl::OkStatus();
          }},
         {"kinds",
          [&](const YAML::Node& n) -> absl::Status {
            PORTOLAN_ASSIGN_OR_RETURN(const auto values, List(n, "kinds"));
            for (const auto& [text, mark] : values) {
              const auto kind = ParseNotificationKind(text);
              if (!kind || *kind == NotificationKind::kTest) {
                return Bad(mark, "kind \"{}\": one of event, finding-opened, finding-resolved",
                           text);
              }
              filter->kinds.push_back(*kind);
            }
            return absl::OkStatus();
          }},
         {"monitors",
          [&](const YAML::Node& n) -> absl::Status {
            PORTOLAN_ASSIGN_OR_RETURN(const auto values, List(n, "monitors"));
            for (const auto& [text, mark] : values) filter->monitors.push_back(text);
            return absl::OkStatus();
          }}},
        {});
  }
};

}  // namespace

absl::StatusOr<WebhookConfig> ParseWebhookFile(std::string_view text, const std::string& path) {
  if (text.size() > kMaxFile) {
    return InvalidArgument("{}: {} bytes, at most {}", path, text.size(), kMaxFile);
  }
  Parser parser(path);
  WebhookConfig config;
  try {
    PORTOLAN_RETURN_IF_ERROR(parser.Parse(text, &config));
  } catch (const YAML::Exception& e) {
    return parser.Bad(e.mark, "not YAML: {}; check the indentation and quotes of this line", e.msg);
  } catch (const std::exception& e) {
    return InvalidArgument("{}: cannot be read as YAML: {}", path, e.what());
  }
  return config;
}

absl::StatusOr<WebhookConfig> LoadWebhookFile(const std::string& path) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path, kMaxFile));
  return ParseWebhookFile(text, path);
}

}  // namespace portolan
