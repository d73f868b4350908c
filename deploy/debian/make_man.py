#!/usr/bin/env python3
"""Manual pages from what the programs' --help says: make_man.py DIRECTORY-OF-PROGRAMS OUTPUT-DIRECTORY

One page a program, portolan's with all its verbs. The same help gives the same bytes."""
import functools
import gzip
import pathlib
import re
import subprocess
import sys

NAMES = {
    "portolan": "ask a Portolan coordinator, or scan from here",
    "portolan-coordinator": "plan port scans, hand them to agents, keep what they see",
    "portolan-agent": "probe TCP ports for a Portolan coordinator",
}
GLOBAL = "Global options"
# An option, an argument or a verb, and what follows it in the line.
ENTRY = re.compile(r" {2,6}(\S.*?)(?: {2,}(\S.*))?$")


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def plain(lines):
    """Lines as they are."""
    out = [".nf"]
    out += [escape(line) if line.strip() else "" for line in lines]
    return out + [".fi"]


def sections(text):
    """[(heading or "", lines)] of a help text."""
    out = [("", [])]
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][^.]*:", line):
            out.append((line[:-1], []))
        else:
            out[-1][1].append(line)
    return [(heading, [*strip(lines)]) for heading, lines in out]


def strip(lines):
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def entries(lines):
    """Tagged paragraphs: a name, then text that is indented further."""
    out = []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        entry = ENTRY.match(line)
        if entry and indent <= 6:
            out += [".TP", ".B " + escape(entry.group(1))]
            if entry.group(2):
                out.append(escape(entry.group(2)))
        elif line.strip() and indent == 0:
            out += [".PP", escape(line)]  # a remark behind the list
        elif line.strip():
            out.append(escape(line.strip()))
    return out


def is_list(lines):
    return any(re.match(r" {2,6}-", line) for line in lines)


@functools.lru_cache
def help_of(program, *verb):
    done = subprocess.run([program, *verb, "--help"], capture_output=True, text=True, timeout=60, check=True,
                          env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"})
    return done.stdout


def verbs_of(text):
    for heading, lines in sections(text):
        if heading == "Verbs":
            return [m.group(1) for m in map(re.compile(r"  ([a-z][a-z-]*) ").match, lines) if m]
    return []


def body(text, skip=()):
    out = []
    for heading, lines in sections(text):
        if heading in skip:
            continue
        lines = [line for line in lines if not line.startswith("Usage: ")]
        if heading:
            out.append(".SS " + escape(heading))
        out += entries(lines) if heading == "Verbs" or is_list(lines) else plain(strip(lines))
    return out


def verb_pages(program, path):
    out = []
    for verb in verbs_of(help_of(program, *path)):
        text = help_of(program, *path, verb)
        usage = re.search(r"^Usage: (.*)$", text, re.M).group(1)
        name = " ".join(["portolan", *path, verb])
        first, rest = text.split("\n", 1)
        out += [".SH " + escape(name.upper()), escape(first.split(" - ", 1)[-1]) + ".", ".PP", ".B " + escape(usage)]
        rest = re.sub(r"\nExit codes: .*$", "", rest.rstrip(), flags=re.S)
        out += body(rest, skip={GLOBAL, "Verbs"})
        out += verb_pages(program, [*path, verb])
    return out


def page(program, version):
    name = program.name
    text = help_of(str(program))
    usage = re.search(r"^Usage: (.*)$", text, re.M).group(1)
    out = [f'.TH {escape(name.upper())} 1 "" "Portolan {version}"', ".SH NAME", f"{escape(name)} \\- {escape(NAMES[name])}",
           ".SH SYNOPSIS", ".B " + escape(usage), ".SH DESCRIPTION"]
    out += body(re.sub(r"^portolan - ", "", text))
    if name == "portolan":
        out += verb_pages(str(program), [])
    out += [".SH SEE ALSO"] + [f".BR {escape(n)} (1)" for n in NAMES if n != name]
    return "\n".join(out) + "\n"


def main():
    programs, target = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        version = subprocess.run([programs / name, "--version"], capture_output=True, text=True, timeout=60,
                                 check=True).stdout.split()[-1]
        text = page(programs / name, version)
        (target / f"{name}.1.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
