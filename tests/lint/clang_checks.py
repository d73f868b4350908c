#!/usr/bin/env python3
"""Runs clang's checks over sources of this repository, as many at once as there are processors.

  clang_checks.py DATABASE syntax              clang -fsyntax-only with the database's own warnings (-Wthread-safety among them), over every
                                               product source
  clang_checks.py DATABASE tidy [--seconds N]  clang-tidy over the product sources that changed since the commit PORTOLAN_LINT_BASE or, where
                                               there is none or nothing did, in the last 50 commits. Newest first; after N seconds (480) no
                                               further one is started, and the number of those left out is printed
  clang_checks.py DATABASE tidy --all          clang-tidy over every source, tests and benchmarks too

DATABASE is a folder with a compile_commands.json of clang. Of a changed header its own source is checked, or else the nearest that includes it.
Exit status: 0 when all is clean, 1 when a source is not or when there is none to check, 2 when the arguments are wrong.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PRODUCT = ('common/', 'coordinator/', 'agent/', 'cli/')
COMMITS = 50
SLOW_CHECK = 'performance-unnecessary-value-param'  # takes half of all the time: left to --all
SECONDS_OF_ONE = 600  # far more than the slowest source takes; a hang must not be the gate's


class Mistake(Exception):
    """Something the caller must put right; its text says what and how."""
    status = 1


class WrongArgument(Mistake):
    status = 2


def read_database(folder):
    """The commands by source, relative to the repository, of those sources that are in it and are not generated."""
    path = Path(folder) / 'compile_commands.json'
    try:
        entries = json.loads(path.read_text(encoding='utf8'))
    except FileNotFoundError:
        raise Mistake(f'{path}: does not exist; run cmake --preset clang') from None
    commands = {}
    for entry in entries:
        source = os.path.relpath(os.path.join(entry['directory'], entry['file']), TOP)
        if not source.startswith(('..', 'build/')):
            commands[source] = entry
    return commands


def git(*arguments):
    done = subprocess.run(['git', '-C', str(TOP), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Mistake(f'git {" ".join(arguments)}: {done.stderr.strip()}')
    return done.stdout.splitlines()


def changed_files(base):
    """Product files that changed, newest first: what is not committed yet, then commit by commit."""
    def only_product(lines):
        return [line for line in lines if line.startswith(PRODUCT) and line.endswith(('.cc', '.h'))]

    uncommitted = only_product(git('diff', '--name-only', 'HEAD') + git('ls-files', '--others', '--exclude-standard'))
    if base:
        try:
            git('rev-parse', '--verify', '--quiet', base + '^{commit}')
        except Mistake:
            raise WrongArgument(f'PORTOLAN_LINT_BASE={base}: not a commit of this repository; give a branch, a tag or a hash') from None
        since = only_product(git('log', '--format=', '--name-only', '--no-renames', f'{base}..HEAD'))
        if uncommitted or since:
            return list(dict.fromkeys(uncommitted + since)), f'since {base}'
    since = only_product(git('log', f'-{COMMITS}', '--format=', '--name-only', '--no-renames'))
    return list(dict.fromkeys(uncommitted + since)), f'in the last {COMMITS} commits'


def includers():
    """Product file -> the product files that include it, in order."""
    out = {}
    for name in sorted(p.relative_to(TOP).as_posix() for top in PRODUCT for p in (TOP / top).rglob('*.*') if p.suffix in ('.cc', '.h')):
        for header in re.findall(r'^\s*#\s*include\s+"([^"]+)"', (TOP / name).read_text(encoding='utf8'), re.MULTILINE):
            out.setdefault(header, []).append(name)
    return out


def nearest_source(header, users, commands):
    """The source with the shortest way to the header, over other headers where it must; None where no source includes it."""
    seen, queue = {header}, [header]
    for file in queue:  # grows while it is walked: breadth first
        if file in commands:
            return file
        new = [user for user in users.get(file, []) if user not in seen]
        seen.update(new)
        queue += sorted(new, key=lambda name: name not in commands)
    return None


def sources_of(files, commands):
    """What to check for these files, in their order and each once. Files that are gone by now are passed over."""
    users = includers()
    out = {}
    for file in files:
        if not (TOP / file).exists():
            continue
        source = re.sub(r'\.h$', '.cc', file)
        if source not in commands:
            source = nearest_source(file, users, commands) if file.endswith('.h') else None
        if source is None:
            print(f'lint: {file}: no source of the build compiles it', file=sys.stderr)
        else:
            out[source] = True
    return list(out)


def without_output(command):
    """The arguments of a compiler's command, without its output file."""
    words = shlex.split(command)
    at = words.index('-o')
    return words[:at] + words[at + 2:]


def check(entry, arguments):
    """(whether it is clean, what was printed)"""
    try:
        done = subprocess.run(arguments, cwd=entry['directory'], capture_output=True, text=True, timeout=SECONDS_OF_ONE, check=False)
    except subprocess.TimeoutExpired:
        return False, f'{entry["file"]}: not done after {SECONDS_OF_ONE} s\n'
    return done.returncode == 0, done.stdout + (done.stderr if done.returncode != 0 else '')


def run(name, sources, commands, arguments_of, seconds=None):
    """Checks these in their order. Returns the exit status."""
    begun = time.monotonic()
    bad = reached = 0

    def one(source):
        if seconds is not None and time.monotonic() - begun > seconds:
            return None
        return check(commands[source], arguments_of(commands[source]))

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get('PORTOLAN_JOBS') or os.cpu_count() or 1)) as pool:
        for result in pool.map(one, sources):
            if result is None:
                continue
            reached += 1
            clean, text = result
            if not clean:
                bad += 1
                print(text, flush=True)
    left = len(sources) - reached
    print(f'{name}: {reached} sources in {time.monotonic() - begun:.0f} s, {bad} with findings' +
          (f', {left} not reached (./dev lint --all takes them)' if left else ''), flush=True)
    return 1 if bad or reached == 0 else 0


def main():
    parser = argparse.ArgumentParser(description='clang\'s checks over the sources', allow_abbrev=False)
    parser.add_argument('database')
    parser.add_argument('what', choices=['syntax', 'tidy'])
    parser.add_argument('--all', action='store_true', help='every source')
    parser.add_argument('--seconds', type=float, default=480)
    options = parser.parse_args()
    commands = read_database(options.database)
    if options.what == 'syntax':
        sources = sorted(source for source in commands if source.startswith(PRODUCT))
        name, seconds = 'clang -Wthread-safety', None
        def arguments_of(entry): return without_output(entry['command']) + ['-fsyntax-only']
        if sources and '-Wthread-safety' not in commands[sources[0]]['command']:
            raise Mistake(f'{options.database}: its commands have no -Wthread-safety; it must be of the clang preset')
    else:
        less = [] if options.all else [f'--checks=-{SLOW_CHECK}']
        def arguments_of(entry): return ['clang-tidy-14', '--quiet', *less, '-p', options.database, entry['file']]
        if options.all:
            sources, name, seconds = sorted(commands), 'clang-tidy', None
        else:
            files, since = changed_files(os.environ.get('PORTOLAN_LINT_BASE'))
            sources, name, seconds = sources_of(files, commands), f'clang-tidy over what changed {since}', options.seconds
    if not sources:
        raise Mistake(f'{name}: no source to check, so nothing was checked; is this a clone with its history?')
    return run(name, sources, commands, arguments_of, seconds)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Mistake as mistake:
        print(f'lint: {mistake}', file=sys.stderr)
        sys.exit(mistake.status)
