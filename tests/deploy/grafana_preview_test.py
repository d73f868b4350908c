#!/usr/bin/env python3
"""deploy/grafana/drawing.py with made-up answers: each picture is XML, has every panel once and inside, and tells what it is."""
import math
import re
import sys
import unittest
import xml.etree.ElementTree as ET

from deploy_test import TOP

sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "deploy" / "grafana"))
import charts  # noqa: E402
import drawing  # noqa: E402
import expressions  # noqa: E402
import preview  # noqa: E402
import tables  # noqa: E402
import units  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
START, END, STEP = 1_700_000_000, 1_700_000_480, 24


def labels_of(target):
    by = [label.strip() for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in group.split(",")]
    return sorted({*by, *re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])})


def answer(target, number, value):
    """`number` series with labels of their own; value(series, point) as Prometheus writes it."""
    times = [END] if target["instant"] else range(START, END + 1, STEP)
    return [{"metric": {label: f"{label} <{i}> & more" for label in labels_of(target)}, "values": [[t, value(i, k)] for k, t in enumerate(times)]}
            for i in range(number)]


def made_up(dashboard, number, value):
    data = {"start": START, "end": END, "step": STEP, "chosen": {}, "panels": {}, "annotations": [{"metric": {}, "values": [[START + 60, "1"]]}]}
    for panel, target, _ in expressions.queries(dashboard, "1m"):
        data["panels"].setdefault(str(panel["id"]), {})[target["refId"]] = answer(target, number, value)
    return data


VALUES = {
    "waves": lambda i, k: str(5 + i + 3 * math.sin(k / 7)),
    "nothing": lambda i, k: "0",
    "much": lambda i, k: "123456789012",
    "little": lambda i, k: "0.0000012",
    "below zero": lambda i, k: "-7.5",
    "no numbers": lambda i, k: ["NaN", "+Inf", "-Inf"][k % 3],
    "some numbers": lambda i, k: "NaN" if k % 5 else "3",
}


class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        kinds = [(0, "waves"), (1, "waves"), (40, "waves"), *((4, name) for name in VALUES)]
        cls.made = [(dashboard, f"{dashboard['uid']}, {number} series, {name}", drawing.draw(dashboard, made_up(dashboard, number, VALUES[name])))
                    for _, dashboard in expressions.dashboards() for number, name in kinds]

    def test_each_has_every_panel_and_no_number_that_is_none(self):
        for dashboard, what, text in self.made:
            root = ET.fromstring(text)
            self.assertNotRegex(text, r"(?i)\bnan\b|\binf(inity)?\b", what)
            groups = root.findall(f"{SVG}g[@class='panel']")
            self.assertEqual([g.find(f"{SVG}text").text for g in groups], [p["title"] for p in expressions.panels(dashboard)], what)
            rows = [g.find(f"{SVG}text").text for g in root.findall(f"{SVG}g[@class='row']")]
            self.assertEqual(rows, [p["title"] for p in dashboard["panels"] if p["type"] == "row"])
            self.assertIn(dashboard["title"], [t.text for t in root.findall(f"{SVG}text")])
            self.assertIn(drawing.SAYS, [t.text for t in root.findall(f"{SVG}text")])

    def test_panels_do_not_overlap_and_hold_what_is_theirs(self):
        for _, what, text in self.made:
            root = ET.fromstring(text)
            _, _, width, height = map(float, root.get("viewBox").split())
            boxes = []
            for group in root.findall(f"{SVG}g[@class='panel']"):
                frame = group.find(f"{SVG}rect")
                x, y, w, h = (float(frame.get(k)) for k in ("x", "y", "width", "height"))
                self.assertTrue(x >= 0 and y >= 0 and x + w <= width and y + h <= height, what)
                for x2, y2, w2, h2 in boxes:
                    self.assertTrue(x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y)
                boxes.append((x, y, w, h))
                title = group.find(f"{SVG}text").text
                for shape in group.iter():
                    for key, least, most in (("x", x, x + w), ("x1", x, x + w), ("x2", x, x + w), ("y", y, y + h), ("y1", y, y + h),
                                             ("y2", y, y + h), ("cx", x, x + w), ("cy", y, y + h)):
                        if shape.get(key):
                            self.assertTrue(least - 0.1 <= float(shape.get(key)) <= most + 0.1, f"{what}: {title}: {ET.tostring(shape)}")
                    if shape.tag == f"{SVG}path":
                        for px, py in re.findall(r"[ML](\S+) ([0-9.-]+)", shape.get("d")):
                            self.assertTrue(x - 0.1 <= float(px) <= x + w + 0.1 and y - 0.1 <= float(py) <= y + h + 0.1, f"{what}: {title}")

    def test_what_has_no_data_says_so(self):
        for _, dashboard in expressions.dashboards():
            text = drawing.draw(dashboard, made_up(dashboard, 0, VALUES["waves"]))
            self.assertEqual(text.count(">No data<"), len(expressions.panels(dashboard)))
            text = drawing.draw(dashboard, made_up(dashboard, 2, VALUES["waves"]))
            self.assertEqual(text.count(">No data<"), 0)


class Parts(unittest.TestCase):
    def test_numbers_are_written_as_grafana_writes_them(self):
        for value, unit, text in [
                (0, "short", "0"), (12, "short", "12"), (1234, "short", "1.23 K"), (0.5, "percentunit", "50%"), (0.99951, "percentunit", "100%"),
                (90, "s", "1.5 mins"), (3600, "s", "1 hour"), (0.0042, "s", "4.2 ms"), (2048, "bytes", "2 KiB"), (15, "pps", "15 p/s"),
                (2500, "pps", "2.5 kp/s"), (0, "ops", "0 ops/s"), (1500, "ops", "1.5K ops/s"), (-3, "none", "-3"), (float("nan"), "short", "-")]:
            self.assertEqual(units.written(value, unit), text)

    def test_axes_have_round_numbers_that_hold_all(self):
        for high in (1e-7, 0.3, 1, 7, 99, 101, 4096, 1e6, 3.3e9):
            for unit in units.FORMATS:
                ticks = units.steps_between(0, high, unit)
                self.assertTrue(ticks[0] == 0 and ticks[-1] >= high * 0.999 and 2 <= len(ticks) <= 6, (high, unit, ticks))
        self.assertEqual(units.steps_between(0, 0, "short")[-1], 1)

    def test_a_matrix_of_vantages(self):
        panel = {"title": "t", "targets": [{"refId": "A", "legendFormat": "x"}], "transformations": [
            {"id": "groupingToMatrix", "options": {"rowField": "endpoint", "columnField": "vantage", "valueField": "Value"}},
            {"id": "organize", "options": {"renameByName": {"endpoint\\vantage": "Endpoint"}}}]}
        series = [{"metric": {"endpoint": e, "vantage": v}, "values": [[1, "1"]]} for e, v in [("a:1", "in"), ("a:1", "out"), ("b:2", "in")]]
        columns, rows = tables.made(panel, {"A": series})
        self.assertEqual(columns, ["Endpoint", "in", "out"])
        self.assertEqual(rows, [{"Endpoint": "a:1", "in": 1.0, "out": 1.0}, {"Endpoint": "b:2", "in": 1.0}])

    def test_rows_of_several_targets_are_merged_by_their_labels(self):
        panel = {"title": "t", "targets": [{"refId": "A"}, {"refId": "B"}], "transformations": [
            {"id": "merge", "options": {}}, {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": {"Value #B": "Late"}}}]}
        series = {"A": [{"metric": {"m": "x"}, "values": [[1, "1"]]}, {"metric": {"m": "y"}, "values": [[1, "2"]]}],
                  "B": [{"metric": {"m": "y"}, "values": [[1, "3"]]}]}
        self.assertEqual(tables.made(panel, series), (["m", "Value #A", "Late"], [{"m": "x", "Value #A": 1.0}, {"m": "y", "Value #A": 2.0, "Late": 3.0}]))

    def test_an_unknown_transformation_is_refused(self):
        with self.assertRaisesRegex(ValueError, "t: the transformation reduce"):
            tables.made({"title": "t", "targets": [], "transformations": [{"id": "reduce", "options": {}}]}, {})

    def test_a_line_ends_where_points_are_missing(self):
        self.assertEqual(charts.pieces([(0, 1), (3, 1), (9, 1)], 3), [[(0, 1), (3, 1)], [(9, 1)]])

    def test_a_level_line_has_two_points(self):
        self.assertEqual(charts.outline([(0, 1), (1, 1), (2, 1), (3, 2), (4, 2)]), [(0, 1), (2, 1), (3, 2), (4, 2)])

    def test_the_pictures_of_the_docs_are_of_these_dashboards(self):
        for _, dashboard in expressions.dashboards():
            root = ET.parse(preview.OUT / f"{dashboard['uid']}.svg").getroot()
            titles = [g.find(f"{SVG}text").text for g in root.findall(f"{SVG}g[@class='panel']")]
            self.assertEqual(titles, [p["title"] for p in expressions.panels(dashboard)], "draw them again: ./dev grafana-preview")
            text = ET.tostring(root, encoding="unicode")
            self.assertNotRegex(text, r"/tmp/|/home/|/root/")
            self.assertNotIn(">No data<", text)


class FakePrometheus:
    """Answers each query with one series of a scan whose id is random."""

    def at(self, expr, moment):
        return [{"metric": {"scan": "k3j9x0"}, "values": [[moment, "1"]]}]

    def over(self, expr, start, end, step):
        return [{"metric": {"scan": "k3j9x0"}, "values": [[t, "1"] for t in range(start, end + 1, step)]}]


class Collected(unittest.TestCase):
    def test_scans_are_numbered_and_every_panel_is_asked_for(self):
        data = preview.collect(FakePrometheus(), 8, "20s", "web")
        for _, dashboard in expressions.dashboards():
            text = drawing.draw(dashboard, data[dashboard["uid"]])
            self.assertNotIn("k3j9x0", text)
            self.assertEqual(set(data[dashboard["uid"]]["panels"]), {str(p["id"]) for p in expressions.panels(dashboard)})
        self.assertIn(">web<", drawing.draw(dict(expressions.dashboards())["portolan-monitor.json"], data["portolan-monitor"]))


if __name__ == "__main__":
    unittest.main()
