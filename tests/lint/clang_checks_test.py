#!/usr/bin/env python3
"""clang_checks.py over small repositories: what it finds to check, and that it fails where it must. Runs no clang."""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import clang_checks  # noqa: E402


class Repository(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)
        for target in (mock.patch.object(clang_checks, "TOP", self.top), mock.patch.dict(os.environ)):
            target.start()
            self.addCleanup(target.stop)
        for name in ("PORTOLAN_LINT_BASE", "PORTOLAN_JOBS"):
            os.environ.pop(name, None)
        self.git("init", "--quiet")
        self.commit("common/a.cc", "int a;\n")

    def git(self, *arguments):
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        return subprocess.run(["git", "-C", str(self.top), *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    def write(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, name, text):
        self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        return self.git("rev-parse", "HEAD")

    def database(self, *sources):
        """The folder of one whose commands have no clang in them."""
        command = "clang++ -Wthread-safety -o x.o -c x.cc"
        entries = [{"directory": str(self.top), "file": str(self.top / s), "command": command} for s in sources]
        self.write("build/clang/compile_commands.json", json.dumps(entries))
        return str(self.top / "build/clang")

    def changed(self, base=None):
        return clang_checks.changed_files(base)[0]

    def main(self, *arguments):
        with mock.patch.object(sys, "argv", ["clang_checks.py", *arguments]), contextlib.redirect_stdout(io.StringIO()):
            return clang_checks.main()


class WhatChanged(Repository):
    def test_is_newest_first_and_each_once(self):
        self.commit("agent/b.cc", "int b;\n")
        self.commit("docs/x.md", "no source\n")
        self.commit("common/a.cc", "int a = 1;\n")
        self.write("cli/new.cc", "int n;\n")
        self.assertEqual(self.changed(), ["cli/new.cc", "common/a.cc", "agent/b.cc"])

    def test_since_a_base_is_that_alone(self):
        base = self.commit("agent/b.cc", "int b;\n")
        self.commit("common/c.h", "int c();\n")
        self.assertEqual(self.changed(base), ["common/c.h"])

    def test_since_a_base_after_which_nothing_did_is_that_of_the_last_commits(self):
        base = self.commit("docs/x.md", "no source\n")
        self.assertEqual(self.changed(base), ["common/a.cc"])

    def test_since_what_is_no_commit_is_refused_by_name(self):
        with self.assertRaisesRegex(clang_checks.Mistake, "PORTOLAN_LINT_BASE=nowhere: not a commit"):
            self.changed("nowhere")


class WhatIsChecked(Repository):
    def test_of_a_header_is_its_source_or_one_that_includes_it(self):
        self.write("common/a.h", "")
        self.write("common/only.h", "")
        self.write("agent/between.h", '#include "common/only.h"\n')
        self.write("agent/b.cc", '#include "agent/between.h"\n')
        self.write("agent/nobody.h", "")
        commands = clang_checks.read_database(self.database("common/a.cc", "agent/b.cc"))
        files = ["common/a.h", "common/only.h", "common/gone.cc", "agent/nobody.h", "common/a.cc"]
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(clang_checks.sources_of(files, commands), ["common/a.cc", "agent/b.cc"])
        self.assertEqual(err.getvalue(), "lint: agent/nobody.h: no source of the build compiles it\n")

    def test_nothing_is_an_error(self):
        self.git("rm", "--quiet", "common/a.cc")
        self.git("commit", "--quiet", "--message", "gone")
        folder = self.database()
        for what in ("syntax", "tidy"):
            with self.subTest(what), self.assertRaisesRegex(clang_checks.Mistake, "no source to check"):
                self.main(folder, what)

    def test_without_thread_safety_is_an_error(self):
        folder = self.database("common/a.cc")
        path = pathlib.Path(folder) / "compile_commands.json"
        path.write_text(path.read_text().replace("-Wthread-safety", ""))
        with self.assertRaisesRegex(clang_checks.Mistake, "no -Wthread-safety"):
            self.main(folder, "syntax")


class Run(Repository):
    def run_over(self, arguments_of, seconds=None):
        commands = clang_checks.read_database(self.database("common/a.cc", "common/b.cc"))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = clang_checks.run("check", list(commands), commands, arguments_of, seconds)
        return status, out.getvalue()

    def test_fails_and_shows_the_findings_of_one_source(self):
        status, out = self.run_over(lambda e: ["sh", "-c", f"case {e['file']} in *b.cc) echo found; exit 1 ;; esac"])
        self.assertEqual(status, 1)
        self.assertIn("found\n", out)
        self.assertIn("2 sources", out)
        self.assertIn("1 with findings", out)

    def test_says_how_many_were_not_reached(self):
        with mock.patch.object(os, "cpu_count", lambda: 1):
            status, out = self.run_over(lambda e: ["sleep", "0.1"], seconds=0.05)
        self.assertEqual(status, 0)
        self.assertIn("1 sources", out)
        self.assertIn("1 not reached", out)

    def test_fails_when_it_reached_none(self):
        self.assertEqual(self.run_over(lambda e: ["true"], seconds=-1)[0], 1)


if __name__ == "__main__":
    unittest.main()
