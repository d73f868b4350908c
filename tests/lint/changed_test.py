#!/usr/bin/env python3
"""Which tests changed.py runs. Runs none."""
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import changed  # noqa: E402


def test_of(name, label):
    return {"name": name, "properties": [{"name": "LABELS", "value": [label]}]}


class IsDue(unittest.TestCase):
    def test_what_never_passed_or_passed_with_another_program(self):
        unit = test_of("net_test", "unit")
        self.assertTrue(changed.is_due(unit, "a", {}))
        self.assertTrue(changed.is_due(unit, "a", {"net_test": "b"}))
        self.assertFalse(changed.is_due(unit, "a", {"net_test": "a"}))

    def test_what_reads_the_sources_always(self):
        self.assertTrue(changed.is_due(test_of("docs_test", "deploy"), None, {}))
        self.assertTrue(changed.is_due(test_of("arch_test", "unit"), "a", {"arch_test": "a"}))

    def test_with_real_processes_only_when_its_own_program_changed(self):
        crash = test_of("crash_test", "integration")
        self.assertFalse(changed.is_due(crash, "a", {}))
        self.assertFalse(changed.is_due(crash, "a", {"crash_test": "a"}))
        self.assertTrue(changed.is_due(crash, "a", {"crash_test": "b"}))


if __name__ == "__main__":
    unittest.main()
