#!/usr/bin/env python3
"""What packages hold, against what the programs say: packages_test.py DIRECTORY-OF-PROGRAMS

Manual pages, completions, units and their settings; certificates of the guides are made by portolan ca."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "deploy" / "debian"))
import make_man  # noqa: E402

UNITS = TOP / "deploy" / "systemd"
ROLES = ("coordinator", "agent")


def help_of(program, *verb):
    return make_man.help_of(str(BIN / program), *verb)


def flags_in(text):
    """Of the lines that begin with one."""
    out = set()
    for line in re.findall(r"^ {2,6}(-[^ ,]+(?:, *-[^ ,]+)*)", text, re.M):
        out |= set(re.findall(r"--?[A-Za-z][A-Za-z-]*", line))
    return out


def all_verbs(path=()):
    for verb in make_man.verbs_of(help_of("portolan", *path)):
        yield (*path, verb)
        yield from all_verbs((*path, verb))


def variables(program):
    return set(re.findall(r"Env:(PORTOLAN_[A-Z_]+)", help_of(program)))


def unit(role):
    """Setting -> its values."""
    out = {}
    for line in (UNITS / f"portolan-{role}.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            out.setdefault(key, []).append(value)
    return out


def environment(role):
    return dict(v.split("=", 1) for v in unit(role)["Environment"])


class ManualPages(unittest.TestCase):
    def test_name_every_verb_and_flag(self):
        for program in make_man.NAMES:
            page = make_man.page(BIN / program, "1").replace("\\-", "-").replace("\\&", "")
            self.assertEqual(flags_in(help_of(program)) - flags_in(re.sub(r"^\.B ", "  ", page, flags=re.M)), set(), program)
        page = make_man.page(BIN / "portolan", "1").replace("\\-", "-")
        for verb in all_verbs():
            name = " ".join(["portolan", *verb])
            self.assertIn(f"\n.SH {name.upper()}\n", page)
            part = page.split(f"\n.SH {name.upper()}\n", 1)[1].split("\n.SH ", 1)[0]
            missing = flags_in(help_of("portolan", *verb)) - flags_in(re.sub(r"^\.B ", "  ", part, flags=re.M))
            self.assertEqual(missing - flags_in(help_of("portolan")), set(), name)

    def test_are_good_roff(self):
        if shutil.which("groff") is None:
            self.skipTest("no groff")
        for program in make_man.NAMES:
            done = subprocess.run(["groff", "-man", "-ww", "-z", "-Kutf8"], input=make_man.page(BIN / program, "1"), text=True,
                                  capture_output=True, timeout=60)
            self.assertEqual(done.stderr, "", program)


class Completions(unittest.TestCase):
    def complete(self, *words):
        script = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _portolan "$1"; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", script, "bash", TOP / "deploy/debian/completions/portolan", *words], text=True,
                              capture_output=True, timeout=60, env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": "/nonexistent"})
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_offer_what_help_says(self):
        self.assertEqual(self.complete("portolan", ""), set(make_man.verbs_of(help_of("portolan"))))
        self.assertEqual(self.complete("portolan", "monitor", "--data", "/x", ""), set(make_man.verbs_of(help_of("portolan", "monitor"))))
        self.assertEqual(self.complete("portolan", "ca", "issue", ""), {"coordinator", "agent", "operator"})
        for verb in [(), ("scan",), ("ca", "issue"), ("monitor", "apply")]:
            self.assertEqual(self.complete("portolan", *verb, "-"), flags_in(help_of("portolan", *verb)), verb)
        for role in ROLES:
            self.assertEqual(self.complete(f"portolan-{role}", "-"), flags_in(help_of(f"portolan-{role}")))
        self.assertEqual(self.complete("portolan", "ca", "issue", "agent", "--va"), {"--valid"})


class Units(unittest.TestCase):
    def test_settings_are_variables_of_the_programs(self):
        for role in ROLES:
            text = (UNITS / f"{role}.env").read_text()
            told = set(re.findall(r"^#?(PORTOLAN_[A-Z_]+)=", text, re.M)) | set(environment(role))
            self.assertEqual(told - variables(f"portolan-{role}"), set(), role)
            self.assertNotIn("INSECURE", text)
            self.assertEqual(unit(role)["EnvironmentFile"], [f"-/etc/portolan/{role}.env"])

    def test_programs_are_given_no_flag(self):
        for role in ROLES:
            self.assertEqual(unit(role)["ExecStart"], [f"/usr/bin/portolan-{role}"])

    def test_wait_for_the_files_that_are_read(self):
        for role in ROLES:
            files = {v for k, v in environment(role).items() if k.startswith("PORTOLAN_TLS_")}
            self.assertEqual(set(unit(role)["ConditionPathExists"]), files)
            with tempfile.TemporaryDirectory() as made:
                more = ["--dns", "localhost"] if role == "coordinator" else []
                for arguments in (["init"], ["issue", role, *more]):
                    subprocess.run([BIN / "portolan", "ca", *arguments, "--out", made], check=True, capture_output=True, timeout=60)
                names = {p.name for p in pathlib.Path(made).iterdir()} - {"ca.key"}
            self.assertEqual({f"/etc/portolan/{role}/{n}" for n in names}, files)

    def test_stopping_may_take_longer_than_a_drain(self):
        grace = int(re.search(r"--grace DURATION=(\d+)s", help_of("portolan-agent")).group(1))
        self.assertGreater(int(unit("agent")["TimeoutStopSec"][0]), grace + 10)

    def test_users_are_made(self):
        for role in ROLES:
            self.assertIn(f"u {unit(role)['User'][0]} ", (UNITS / f"portolan-{role}.sysusers").read_text())

    def test_are_good_and_tight(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        for role in ROLES:
            with tempfile.TemporaryDirectory() as made:
                copy = pathlib.Path(made) / f"portolan-{role}.service"
                text = (UNITS / copy.name).read_text()
                copy.write_text(text.replace("/usr/bin/", f"{BIN}/"))  # verify looks for the program
                for check in (["verify", "--man=no"], ["security", "--offline=yes", "--threshold=15"]):
                    done = subprocess.run(["systemd-analyze", *check, copy], text=True, capture_output=True, timeout=60)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertNotIn("Unknown", done.stderr)


class Guides(unittest.TestCase):
    def test_no_unit_and_no_setting_is_insecure(self):
        for path in [*UNITS.iterdir(), *(TOP / "deploy" / "debian").rglob("*")]:
            if path.is_file():
                self.assertNotIn("--insecure", path.read_text(), path)


if __name__ == "__main__":
    unittest.main()
