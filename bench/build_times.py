#!/usr/bin/env python3
"""What building costs: build_times.py [--jobs N] [--headers N] [TARGET...]     (./dev build-times)

Builds the gcc preset once more, without a compiler cache, into build/times, and prints the totals, the slowest sources and the headers that
cost most. TARGETs (portolan, portolan-coordinator, ...) limit it to what these need; without one everything is built. Seconds are the user
and system time of the compiler, so other work on the machine shows little. Lines are those left after preprocessing, without markers.

A header's cost is what one source that includes nothing else costs, times the sources that include it, directly or not. Costs of headers that
include each other overlap.
"""
import argparse
import concurrent.futures
import json
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / 'build/times'
RECORDS = BUILD / 'compilations.jsonl'


def seconds_of(command, **options):
    """(exit status, user and system seconds) of one command."""
    pid = subprocess.Popen(command, **options)
    _, status, usage = os.wait4(pid.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def record(command):
    """As the compiler's launcher: runs it and appends a line to RECORDS."""
    status, seconds = seconds_of(command)
    if status == 0 and '-c' in command:
        line = json.dumps({'source': os.path.relpath(command[command.index('-c') + 1], TOP), 'seconds': seconds}) + '\n'
        with open(RECORDS, 'ab', buffering=0) as file:
            file.write(line.encode())
    return status


def build(targets, jobs):
    """Returns the wall clock's seconds."""
    subprocess.run(['rm', '-rf', str(BUILD)], check=True)
    launcher = f'{sys.executable};{Path(__file__).resolve()};--record'
    subprocess.run(['cmake', '--preset', 'gcc', '-B', str(BUILD), f'-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}'], cwd=TOP, check=True,
                   stdout=subprocess.DEVNULL)
    begun = time.monotonic()
    subprocess.run(['cmake', '--build', str(BUILD), '-j', str(jobs), *(['--target', *targets] if targets else [])], cwd=TOP, check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def commands_of(sources):
    """Source -> the compiler's words without the output, and where they run."""
    out = {}
    for entry in json.loads((BUILD / 'compile_commands.json').read_text()):
        source = os.path.relpath(entry['file'], TOP)
        if source in sources:
            words = shlex.split(entry['command'])
            at = words.index('-o')
            out[source] = (words[:at] + words[at + 2:], entry['directory'])
    return out


def lines_after_preprocessing(words, directory):
    done = subprocess.run(words + ['-E'], cwd=directory, capture_output=True, check=True)
    return sum(1 for line in done.stdout.splitlines() if not line.startswith(b'#'))


def included(words, directory):
    """The headers that a source includes, directly or not, by the names that it or they use."""
    done = subprocess.run(words + ['-M', '-MG'], cwd=directory, capture_output=True, text=True, check=True)
    return set(re.split(r'[\s\\]+', done.stdout)[2:])


def named_in(sources):
    """'<grpcpp/grpcpp.h>' or '"cli/program.h"' of every #include of ours."""
    names = set()
    for source in sources:
        for file in (TOP / source, (TOP / source).with_suffix('.h')):
            if file.exists():
                names.update(re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', file.read_text(), re.MULTILINE))
    return names


def cost_of_header(name, words, directory):
    """Seconds that a source with nothing but this header takes. None: it does not compile alone."""
    words = words[:words.index('-c')] + ['-x', 'c++', '-c', '-o', '/dev/null', '-']
    read, write = os.pipe()
    os.write(write, f'#include {name}\n'.encode())
    os.close(write)
    with os.fdopen(read) as text:
        status, seconds = seconds_of(words, cwd=directory, stdin=text, stderr=subprocess.DEVNULL)
    return seconds if status == 0 else None


def print_headers(commands, most, pool):
    users = {}
    for source, files in zip(commands, pool.map(lambda c: included(*c), commands.values())):
        for file in files:
            users.setdefault(file, set()).add(source)
    rows = []

    def measure(name):
        ending = '/' + name[1:-1]
        using = set().union(*(s for file, s in users.items() if file.endswith(ending)))
        if not using:
            return None
        cost = cost_of_header(name, *commands[min(using)])
        return None if cost is None else (cost * len(using), cost, len(using), name)

    rows = sorted(filter(None, pool.map(measure, sorted(named_in(commands)))), reverse=True)
    print(f'\nheaders that cost most\n{"total s":>9} {"alone s":>8} {"sources":>8}')
    for total, cost, count, name in rows[:most]:
        print(f'{total:9.0f} {cost:8.2f} {count:8} {name}')


def main():
    parser = argparse.ArgumentParser(description='what building costs', allow_abbrev=False)
    parser.add_argument('--jobs', type=int, default=int(os.environ.get('PORTOLAN_JOBS') or os.cpu_count() or 1))
    parser.add_argument('--headers', type=int, default=25, help='how many headers to print; 0: measure none')
    parser.add_argument('targets', nargs='*')
    options = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = build(options.targets, options.jobs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = {r['source']: r['seconds'] for r in map(json.loads, RECORDS.read_text().splitlines())}
    commands = commands_of(seconds)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        lines = dict(zip(commands, pool.map(lambda c: lines_after_preprocessing(*c), commands.values())))
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f'{len(seconds)} sources, {cpu / 60:.1f} core-minutes with linking, {wall / 60:.1f} minutes with {options.jobs} at once')
        print(f'median source: {statistics.median(seconds.values()):.1f} s, {statistics.median(lines.values()):,.0f} lines after preprocessing; '
              f'{sum(s > 12 for s in seconds.values())} take more than 12 s')
        print(f'\nslowest sources\n{"s":>6} {"lines":>9}')
        for source in sorted(seconds, key=seconds.get, reverse=True)[:25]:
            print(f'{seconds[source]:6.1f} {lines.get(source, 0):9,} {source}')
        if options.headers > 0:
            print_headers(commands, options.headers, pool)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--record']:
        sys.exit(record(sys.argv[2:]))
    sys.exit(main())
