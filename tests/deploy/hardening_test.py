#!/usr/bin/env python3
"""The installed programs as ELF files, against cmake/Hardening.cmake: hardening_test.py DIRECTORY-OF-PROGRAMS"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(sys.argv.pop(1)).resolve()
PROGRAMS = ("portolan", "portolan-coordinator", "portolan-agent")
# What leaves no trace in the program but in the compiler's own note of its options, which -g keeps.
OPTIONS = ("-fstack-protector-strong", "-fstack-clash-protection", "-ftrivial-auto-var-init=zero")


def readelf(program, *options):
    return subprocess.run(["readelf", "--wide", *options, str(BIN / program)], capture_output=True, text=True, check=True).stdout


def lacks(program):
    """What the program is not hardened with, as words; empty when nothing is missing."""
    out = []
    header, segments = readelf(program, "--file-header"), readelf(program, "--segments")
    dynamic, symbols = readelf(program, "--dynamic"), readelf(program, "--dyn-syms")
    if not (re.search(r"Type:\s+DYN", header) and re.search(r"FLAGS_1.*\bPIE\b", dynamic)):
        out.append("PIE")
    if "GNU_RELRO" not in segments:
        out.append("RELRO")
    if not re.search(r"\(FLAGS(_1)?\).*\b(BIND_NOW|NOW)\b", dynamic):
        out.append("BIND_NOW")
    if not re.search(r"GNU_STACK.*\bRW\b", segments):
        out.append("a stack that is not executable")
    if "__stack_chk_fail" not in symbols:
        out.append("-fstack-protector-strong")
    if not re.search(r"\b__\w+_chk\b(?<!__stack_chk_fail)", symbols):
        out.append("_FORTIFY_SOURCE")
    if "__glibcxx_assert_fail" not in symbols:
        out.append("_GLIBCXX_ASSERTIONS")
    return out


def producers(program):
    """The options of each source of ours, as the compiler noted them."""
    return set(re.findall(rb"GNU C\+\+20 [^\0]+", (BIN / program).read_bytes()))


class Hardening(unittest.TestCase):
    def test_each_program_has_all_that_an_elf_file_shows(self):
        for program in PROGRAMS:
            with self.subTest(program):
                self.assertEqual(lacks(program), [])

    def test_every_source_was_compiled_with_what_it_does_not_show(self):
        for program in PROGRAMS:
            with self.subTest(program):
                noted = producers(program)
                if not noted:
                    self.skipTest(f"{program} was stripped of the compiler's notes")
                for options in noted:
                    self.assertEqual([o for o in OPTIONS if o.encode() not in options], [], options)

    def test_a_program_that_is_not_hardened_is_seen(self):
        """A check that finds nothing here would find nothing above."""
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "plain.cc"
            source.write_text("int main() {}\n")
            subprocess.run(["g++", "-no-pie", "-fno-stack-protector", "-Wl,-z,norelro,-z,lazy,-z,execstack", "-o", f"{folder}/plain", str(source)], check=True)
            self.assertEqual(len(lacks(f"{folder}/plain")), 7)


if __name__ == "__main__":
    unittest.main()
