#!/usr/bin/env python3
"""What the documentation says is there: its links lead somewhere, and the flags of its commands exist.

docs_test.py SOURCE_DIR BIN_DIR
"""

import functools
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

PROGRAMS = ("portolan", "portolan-agent", "portolan-coordinator")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")


def anchor(heading):
    """As forges make them: lower case, punctuation dropped, blanks to dashes."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", lambda m: m.group(1) or "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def broken_links(page, root):
    prose = FENCE.sub("", page.read_text())
    for target in LINK.findall(prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or root not in (file, *file.parents):
            yield f"{target}: there is no such file"
        elif fragment and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text()), re.M)
            if fragment not in map(anchor, headings):
                yield f"{target}: no heading of that name"


@functools.lru_cache(maxsize=None)
def help_of(binaries, *command):
    done = subprocess.run([f"{binaries}/{command[0]}", *command[1:], "--help"], capture_output=True, text=True,
                          timeout=20, check=False)
    return done.stdout if done.returncode == 0 else None


def commands(text):
    """Each command of ours in the code blocks of a page, as words."""
    for language, block in FENCE.findall(text):
        if language not in ("", "sh", "bash", "console", "shell"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s#.*$", "", line)
            for part in re.split(r"&&|\|\||[|;]", line):
                try:
                    words = shlex.split(part.removeprefix("$ ").strip())
                except ValueError:
                    continue
                while words and re.fullmatch(r"[A-Z_]+=.*|sudo", words[0]):
                    words = words[1:]
                if words and words[0].rsplit("/", 1)[-1] in PROGRAMS:
                    yield [words[0].rsplit("/", 1)[-1], *words[1:]]


def unknown_flags(page, binaries):
    for words in commands(page.read_text()):
        verb = []
        for word in words[1:3]:
            if not re.fullmatch(r"[a-z][a-z-]+", word) or help_of(binaries, words[0], *verb, word) is None:
                break
            verb.append(word)
        known = set(FLAG.findall(help_of(binaries, words[0], *verb) or ""))
        for word in words[1 + len(verb):]:
            flag = word.split("=")[0]
            if re.fullmatch(r"--?[a-zA-Z][\w-]*", flag) and flag not in known and flag[:2] not in known:
                yield f"{' '.join(words)}: {words[0]} {' '.join(verb)} has no {flag}"


def main():
    root, binaries = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    pages = []
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", root, "ls-files", "*.md"], capture_output=True, text=True, check=False)
        pages = [root / name for name in listed.stdout.split()]
    if not pages:  # no repository: an archive of the sources
        made = {"build", "node_modules"}
        pages = [p for p in root.rglob("*.md") if made.isdisjoint(p.relative_to(root).parts)]
    checked = sum(1 for page in pages for _ in commands(page.read_text()))
    mistakes = [f"{page.relative_to(root)}: {what}" for page in pages
                for what in (*broken_links(page, root), *unknown_flags(page, binaries))]
    print(f"{len(pages)} pages, {checked} commands of ours")
    print("\n".join(mistakes))
    if len(pages) < 20 or checked < 30:
        sys.exit("fewer than there must be: the test does not find them any more")
    sys.exit(1 if mistakes else 0)


if __name__ == "__main__":
    main()
