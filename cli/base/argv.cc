#include "cli/base/argv.h"

#include <string_view>

#include "common/base/status.h"

namespace portolan {
namespace {

struct Hint {
  std::string_view prefix;
  std::string_view remedy;
};
// Words that people know from other scanners. The first prefix that fits is used.
constexpr Hint kHints[] = {
    {"-o", "for other programs' files write --json or --csv, with --output FILE"},
    {"-sn", "there is no ping-only scan; scan a few ports instead: -p 22,80,443"},
    {"-sS", "leave it out: every scan is a TCP connect scan"},
    {"-sT", "leave it out: every scan is a TCP connect scan"},
    {"-sU", "UDP is not scanned"},
    {"-sV", "versions are not detected; services are named by port"},
    {"-P", "leave it out: hosts are never pinged first"},
    {"-n", "leave it out: addresses are never looked up"},
    {"-R", "leave it out: addresses are never looked up"},
    {"-T", "write --max-rate N (probes a second) or --timeout 500ms"},
    {"-F", "write --top-ports 100"},
    {"-A", "leave it out: there is no detection of systems or versions"},
    {"-O", "leave it out: there is no detection of systems"},
    {"-6", "leave it out: IPv6 targets are understood as they are"},
    {"-v", "write --log-level info or debug"},
    {"-d", "write --log-level debug"},
    {"-iR", "random targets are not offered: name the networks that are yours"},
    {"-i", "write -iL FILE or --targets-from FILE"},
};

absl::Status Unknown(const std::string& word) {
  for (const Hint& hint : kHints) {
    if (word.starts_with(hint.prefix))
      return InvalidArgument("unknown option {}: {}", word, hint.remedy);
  }
  if (word.size() > 2 && word.find_first_not_of("0123456789,-", 1) == std::string::npos) {
    return InvalidArgument("{} is neither an option nor a target: for ports write -p {}", word,
                           word);
  }
  return InvalidArgument("unknown option {}: long options begin with two dashes; see --help", word);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> NormalizeArgv(const std::vector<std::string>& args,
                                                       const OptionNames& names) {
  std::vector<std::string> out;
  size_t i = 0;
  // The value of option `name`: `attached` when it was written in one word, else the next word.
  const auto take = [&](const std::string& name, const std::string& option, std::string attached,
                        bool has_attached) -> absl::Status {
    if (!has_attached) {
      if (i + 1 >= args.size()) return InvalidArgument("{} needs a value; see --help", name);
      attached = args[++i];
    }
    if (attached.empty())
      return InvalidArgument("{} needs a value: \"\" is empty; leave the option out instead", name);
    out.push_back(option + "=" + attached);
    return absl::OkStatus();
  };
  for (; i < args.size(); ++i) {
    const std::string& word = args[i];
    if (word.find('\0') != std::string::npos)
      return InvalidArgument("an argument holds a zero byte");
    if (word == "--") {
      out.insert(out.end(), args.begin() + static_cast<std::ptrdiff_t>(i), args.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      if (word == "-")
        return InvalidArgument(
            "\"-\" is not a target: to read targets from standard input write -iL -");
      if (word.empty())
        return InvalidArgument("an argument is empty: leave it out, or give it a value");
      out.push_back(word);
      continue;
    }
    if (word[1] == '-') {
      const size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      if (names.with_value.count(name) > 0) {
        const bool attached = equals != std::string::npos;
        PORTOLAN_RETURN_IF_ERROR(
            take(name, name, attached ? word.substr(equals + 1) : "", attached));
      } else if (names.flags.count(word) > 0) {
        out.push_back(word);
      } else if (names.flags.count(name) > 0) {
        return InvalidArgument("{} takes no value: write {} alone or leave it out", name, name);
      } else {
        return InvalidArgument("unknown option {}; see --help", name);
      }
      continue;
    }
    if (word.starts_with("-iL")) {
      std::string rest = word.substr(3);
      if (rest.starts_with("=")) rest.erase(0, 1);
      PORTOLAN_RETURN_IF_ERROR(take("-iL", "--targets-from", rest, word.size() > 3));
      continue;
    }
    // Other scanners' files (-oX FILE), not a value of -o.
    if (word.size() > 2 && word.starts_with("-o") && word[2] >= 'A' && word[2] <= 'Z')
      return Unknown(word);
    const std::string letter = word.substr(0, 2);
    if (names.with_value.count(letter) > 0) {
      std::string rest = word.substr(2);
      if (rest.starts_with("=")) rest.erase(0, 1);
      // The parser understands "-pVALUE" for any value that is not empty.
      if (word.size() == 2) {
        if (i + 1 >= args.size()) return InvalidArgument("{} needs a value; see --help", letter);
        rest = args[++i];
      }
      if (rest.empty()) return InvalidArgument("{} needs a value: \"\" is empty", letter);
      out.push_back(letter + rest);
      continue;
    }
    if (names.flags.count(word) > 0) {
      out.push_back(word);
      continue;
    }
    return Unknown(word);
  }
  return out;
}

}  // namespace portolan
