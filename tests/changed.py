#!/usr/bin/env python3
"""Runs the tests that a change touches: changed.py BUILD-DIRECTORY     (./dev test --changed, which builds first)

A test runs again when its program is not the one that passed here last; those that read the sources and the documents run always, they
take seconds. Tests with real processes take half an hour together, and each depends on all programs: one of these runs only when its own
program has changed since it was first seen here, or passed here last; the others are counted. Exit status: that of ctest.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path


def fingerprint(test):
    """Of the test's program; None when it is a script, which reads what no program shows."""
    program = test['command'][0]
    if not program.startswith(str(test['build'])):
        return None
    return hashlib.sha256(Path(program).read_bytes()).hexdigest()


def is_integration(test):
    return any(p['name'] == 'LABELS' and 'integration' in p['value'] for p in test['properties'])


def is_due(test, mark, passed):
    """Whether it runs. `passed`: the programs that passed last, by the test's name."""
    name = test['name']
    if is_integration(test):
        return mark is not None and name in passed and passed[name] != mark
    return mark is None or name == 'arch_test' or passed.get(name) != mark


def run(build, names):
    """(ctest's exit status, the names of those that passed)"""
    with tempfile.NamedTemporaryFile(suffix='.xml') as report:
        pattern = '^(' + '|'.join(map(re.escape, names)) + ')$'
        jobs = os.environ.get('PORTOLAN_JOBS') or str(os.cpu_count() or 1)
        status = subprocess.run(['ctest', '--test-dir', str(build), '--output-on-failure', '-j', jobs, '-R', pattern, '--output-junit', report.name],
                                check=False).returncode
        if os.path.getsize(report.name) == 0:
            return status or 1, []  # ctest was ended before it could report
        cases = xml.etree.ElementTree.parse(report.name).getroot().iter('testcase')
        return status, [case.get('name') for case in cases if case.get('status') == 'run']


def main(build):
    state = build / 'passed.json'
    passed = json.loads(state.read_text()) if state.exists() else {}
    listed = subprocess.run(['ctest', '--test-dir', str(build), '--show-only=json-v1'], check=True, capture_output=True, text=True).stdout
    tests = [dict(test, build=build) for test in json.loads(listed)['tests']]
    marks = {test['name']: fingerprint(test) for test in tests}
    due = [test['name'] for test in tests if is_due(test, marks[test['name']], passed)]
    status, succeeded = run(build, due) if due else (0, [])
    for test in tests:
        name = test['name']
        if marks[name] is not None and (name in succeeded or is_integration(test) and name not in passed):
            passed[name] = marks[name]
    state.write_text(json.dumps(passed, indent=1))
    left = sum(is_integration(test) and test['name'] not in due for test in tests)
    print(f'{len(due)} of {len(tests)} tests ran; {left} with real processes were left out (./dev test runs all)')
    return status


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('usage: changed.py BUILD-DIRECTORY')
    sys.exit(main(Path(sys.argv[1]).resolve()))
