#!/usr/bin/env python3
"""Dashboards: made by their generator, and by the rules of Grafana's dashboard linter. Dashboards and rules ask for what docs/metrics.md lists."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "deploy" / "grafana"))
import expressions  # noqa: E402

# Of Grafana's valueFormats: those that dashboards here use. The linter knows them all; a misspelt one it would refuse.
UNITS = {"short", "none", "s", "bytes", "percentunit", "ops", "pps"}
# Given by Prometheus, not by the programs.
TARGET_LABELS = {"job", "instance"}


def documented():
    """Name of a metric -> its labels."""
    out = {}
    for line in (TOP / "docs" / "metrics.md").read_text().splitlines():
        cells = [c.strip() for c in line.split("|")]
        if len(cells) < 6 or not re.fullmatch(r"`[a-z_]+`", cells[1]):
            continue
        labels = {label.split(":")[0].strip() for label in cells[3].split(";")} - {"-"}
        name = cells[1].strip("`")
        if cells[2] == "histogram":
            out[name + "_bucket"] = labels | {"le"}
            out[name + "_sum"] = out[name + "_count"] = labels
        else:
            out[name] = labels
    return out


def recorded():
    return {r["record"] for r in expressions.rules() if "record" in r}


def problems(dashboard):
    """What the linter's rules, and ours, find wrong."""
    out = []
    say = out.append
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    source = variables.get("datasource", {})
    if source.get("type") != "datasource" or source.get("query") != "prometheus" or source.get("label") != "Data source":
        say("template-datasource: a variable \"datasource\" of type datasource for prometheus")
    for name in ("job", "instance"):
        v = variables.get(name, {})
        if v.get("type") != "query" or v.get("label") != name.title() or not v.get("multi") or v.get("allValue") != ".+":
            say(f"template-{name}: a query, labelled {name.title()}, multi, allValue .+")
    for v in variables.values():
        if v["type"] == "query":
            if v["datasource"]["uid"] != "${datasource}":
                say(f"template {v['name']}: not from $datasource")
            if v["refresh"] != 2:
                say(f"template-on-time-change-reload: {v['name']}")
            if not re.fullmatch(r"label_values\(.+, [a-z]+\)", v["query"]["query"]):
                say(f"template-label-promql: {v['name']}")
    if dashboard.get("editable") is not False:
        say("uneditable-dashboard")
    if not dashboard.get("uid") or not dashboard.get("description"):
        say("no uid or description")
    used = set(re.findall(r"\$\{?([a-z_]+)", json.dumps(dashboard["panels"])))
    for name in set(variables) - used:
        say(f"variable {name} is not used")
    seen_ids, titles = set(), set()
    for p in dashboard["panels"]:
        if p["id"] in seen_ids:
            say(f"panel id {p['id']} twice")
        seen_ids.add(p["id"])
        if p["gridPos"]["x"] + p["gridPos"]["w"] > 24:
            say(f"{p['title']}: beyond the right edge")
    for p in expressions.panels(dashboard):
        where = p.get("title") or f"panel {p['id']}"
        if not p.get("title") or not p.get("description"):
            say(f"panel-title-description: {where}")
        if where in titles:
            say(f"{where}: two panels of that title")
        titles.add(where)
        if p["datasource"]["uid"] != "${datasource}":
            say(f"panel-datasource: {where}")
        if p["fieldConfig"]["defaults"].get("unit") not in UNITS:
            say(f"panel-units: {where}: {p['fieldConfig']['defaults'].get('unit')}")
        if not p["targets"]:
            say(f"panel-no-targets: {where}")
        for t in p["targets"]:
            if t["datasource"]["uid"] != "${datasource}":
                say(f"target-datasource: {where}")
            if not t.get("legendFormat"):
                say(f"{where}: a target without legend")
            out.extend(f"{where}: {x}" for x in target_problems(t["expr"]))
            grouped = {label for by in re.findall(r"by \(([^)]*)\)", t["expr"]) for label in re.split(r",\s*", by)} | {"endpoint"}
            for label in re.findall(r"\{\{(\w+)\}\}", t["legendFormat"]):
                if label not in grouped:
                    say(f"{where}: the legend's {label} is not grouped by")
    for a in dashboard["annotations"]["list"]:
        if a["datasource"]["uid"] != "${datasource}":
            say(f"annotation {a['name']}: not from $datasource")
        out.extend(f"annotation {a['name']}: {x}" for x in target_problems(a["expr"]))
    # Two panels must not lie over each other.
    cells = {}
    for p in dashboard["panels"]:
        g = p["gridPos"]
        for x in range(g["x"], g["x"] + g["w"]):
            for y in range(g["y"], g["y"] + g["h"]):
                if cells.setdefault((x, y), p["id"]) != p["id"]:
                    say(f"{p['title']}: lies over panel {cells[(x, y)]}")
                    return out
    return out


def target_problems(expr):
    out = []
    for name, matchers in expressions.SELECTOR.findall(expr):
        if 'job=~"$job"' not in matchers:
            out.append(f"target-job: {name}")
        if 'instance=~"$instance"' not in matchers:
            out.append(f"target-instance: {name}")
        if name.endswith("_total") or name.endswith("_bucket"):
            if not re.search(r"\b(rate|increase)\(" + re.escape(name + matchers) + r"\[", expr):
                out.append(f"target-counter-agg: {name}")
    for interval in re.findall(r"\[([^\]]*)\]", expr):
        if interval != "$__rate_interval":
            out.append(f"target-rate-interval: [{interval}]")
    return out


def unknown(expr, metrics, records):
    """Names and labels that no program exports."""
    out = []
    for name, matchers in expressions.SELECTOR.findall(expr):
        if name in records:
            continue
        if name not in metrics:
            out.append(name)
            continue
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", matchers):
            if label not in metrics[name] | TARGET_LABELS:
                out.append(f"{name}{{{label}}}")
    return out


class Dashboards(unittest.TestCase):
    def test_there_are_four(self):
        self.assertEqual([n for n, _ in expressions.dashboards()],
                         [f"portolan-{n}.json" for n in ("exposure", "fleet", "monitor", "scans")])

    def test_they_are_what_the_generator_makes(self):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([sys.executable, str(TOP / "deploy/grafana/generate.py"), directory], check=True)
            made = {p.name: p.read_text() for p in pathlib.Path(directory).iterdir()}
        kept = {p.name: p.read_text() for p in (TOP / "deploy/grafana/dashboards").iterdir()}
        self.assertEqual(made.keys(), kept.keys())
        for name in made:
            self.assertEqual(made[name], kept[name], f"{name}: run deploy/grafana/generate.py and commit what it makes")

    def test_the_linters_rules_hold(self):
        for name, dashboard in expressions.dashboards():
            self.assertEqual(problems(dashboard), [], name)

    def test_the_check_finds_what_is_wrong(self):
        def broken(change):
            dashboard = json.loads((TOP / "deploy/grafana/dashboards/portolan-fleet.json").read_text())
            change(dashboard, expressions.panels(dashboard)[5])
            return problems(dashboard)

        def expr(text):
            return lambda d, p: p["targets"][0].update(expr=text)

        for change, what in [
                (lambda d, p: p.update(description=""), "panel-title-description"),
                (lambda d, p: p["targets"][0].update(legendFormat=""), "without legend"),
                (lambda d, p: p["targets"][0].update(legendFormat="{{pod}}"), "pod"),
                (lambda d, p: p["fieldConfig"]["defaults"].pop("unit"), "panel-units"),
                (lambda d, p: p["datasource"].update(uid="prometheus"), "panel-datasource"),
                (lambda d, p: d.update(editable=True), "uneditable"),
                (lambda d, p: d["templating"]["list"].pop(1), "template-job"),
                (lambda d, p: p["gridPos"].update(x=0), "lies over"),
                (expr('portolan_leases{job=~"$job"}'), "target-instance"),
                (expr('portolan_leases{instance=~"$instance"}'), "target-job"),
                (expr('rate(portolan_leases_total{job=~"$job",instance=~"$instance"}[5m])'), "target-rate-interval"),
                (expr('sum(portolan_leases_total{job=~"$job",instance=~"$instance"})'), "target-counter-agg")]:
            found = broken(change)
            self.assertTrue(any(what in f for f in found), f"{what}: {found}")

    def test_they_ask_for_what_the_programs_export(self):
        metrics, records = documented(), recorded()
        self.assertGreater(len(metrics), 80)
        self.assertEqual(unknown('portolan_port_opened{job="x"} + portolan_leases{pod="y"}', metrics, records),
                         ["portolan_port_opened", "portolan_leases{pod}"])
        for name, dashboard in expressions.dashboards():
            targets = [t["expr"] for p in expressions.panels(dashboard) for t in p["targets"]]
            targets += [a["expr"] for a in dashboard["annotations"]["list"]]
            targets += [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
            for expr in targets:
                self.assertEqual(unknown(expr, metrics, records), [], f"{name}: {expr}")

    def test_links_lead_to_dashboards(self):
        uids = {d["uid"] for _, d in expressions.dashboards()}
        for name, dashboard in expressions.dashboards():
            for uid in re.findall(r'"/d/([a-z-]+)', json.dumps(dashboard)):
                self.assertIn(uid, uids, name)

    def test_the_provisioning_names_the_folder(self):
        text = (TOP / "deploy/grafana/provisioning/dashboards/portolan.yml").read_text()
        path = re.search(r"path: (\S+)", text).group(1)
        self.assertIn(path, (TOP / "deploy/grafana/README.md").read_text())


class Rules(unittest.TestCase):
    def test_they_ask_for_what_the_programs_export(self):
        metrics, records = documented(), recorded()
        self.assertGreater(len(list(expressions.rules())), 15)
        for rule in expressions.rules():
            self.assertEqual(unknown(rule["expr"], metrics, records), [], rule)

    def test_alerts_about_ports_and_findings_are_as_severe_as_the_rule_that_is_broken(self):
        text = (TOP / "deploy/prometheus/rules/portolan.rules.yml").read_text()
        alerts = re.split(r"(?m)^ +- alert: ", text)[1:]
        of_rules = [a for a in alerts if re.search(r"portolan_(exposed_ports|missing_expected_ports|findings)\b", a)]
        self.assertEqual(len(of_rules), 3)
        for alert in of_rules:
            self.assertNotRegex(alert, r"(?m)^ +severity:", "a severity of its own hides the rule's")
            self.assertRegex(alert, r"expr: sum by \([a-z, ]*\bseverity\b")

    def test_alerts_and_panels_about_rules_say_that_services_are_known_by_port_number_only(self):
        # Rules name classes of services (no-databases-from-outside); nobody has looked at what answers there.
        text = (TOP / "deploy/prometheus/rules/portolan.rules.yml").read_text()
        of_rules = [a for a in re.split(r"(?m)^ +- alert: ", text)[1:]
                    if re.search(r'portolan_(exposed_ports\{expected="no"|findings\{)', a)]
        self.assertEqual(len(of_rules), 2)
        for alert in of_rules:
            self.assertRegex(alert, r"description: .*by port number")
        by_rule = [p for _, d in expressions.dashboards() for p in expressions.panels(d)
                   if any(re.search(r"sum by \([a-z, ]*\b(rule|service)\b", t.get("expr", "")) for t in p.get("targets", []))]
        self.assertGreaterEqual(len(by_rule), 2)
        for p in by_rule:
            self.assertIn("by port number", p["description"], p["title"])

    def test_each_alert_has_a_runbook_and_a_test(self):
        text = (TOP / "deploy/prometheus/rules/portolan.rules.yml").read_text()
        tests = (TOP / "deploy/prometheus/tests/portolan.test.yml").read_text()
        alerts = re.findall(r"- alert: (\w+)", text)
        runbooks = re.findall(r"runbook_url: (\S+)", text)
        self.assertEqual(len(alerts), len(runbooks))
        for runbook in runbooks:
            self.assertTrue((TOP / runbook).is_file(), runbook)
        for alert in alerts:
            self.assertIn(f"name: {alert} fires", tests)


@unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (Debian: prometheus)")
class Promtool(unittest.TestCase):
    def run_promtool(self, *arguments):
        done = subprocess.run(["promtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_rules(self):
        self.run_promtool("check", "rules", "--lint-fatal", str(TOP / "deploy/prometheus/rules/portolan.rules.yml"))
        self.run_promtool("test", "rules", str(TOP / "deploy/prometheus/tests/portolan.test.yml"))

    def test_configuration(self):
        self.run_promtool("check", "config", "--lint-fatal", str(TOP / "deploy/prometheus/prometheus.yml"))

    def test_every_expression_of_a_dashboard_is_promql(self):
        rules = []
        for _, dashboard in expressions.dashboards():
            exprs = [t["expr"] for p in expressions.panels(dashboard) for t in p["targets"]]
            for expr in exprs + [a["expr"] for a in dashboard["annotations"]["list"]]:
                rules.append({"record": f"r{len(rules)}:x", "expr": expressions.substituted(expr, "1m")})
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
            json.dump({"groups": [{"name": "dashboards", "rules": rules}]}, f)  # JSON is YAML
            f.flush()
            self.run_promtool("check", "rules", "--lint=none", f.name)


@unittest.skipUnless(shutil.which("amtool"), "amtool is not installed (Debian: prometheus-alertmanager)")
class Alertmanager(unittest.TestCase):
    CONFIG = str(TOP / "deploy/prometheus/alertmanager.yml")

    def run_amtool(self, *arguments):
        done = subprocess.run(["amtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.splitlines()[-1]

    def test_configuration(self):
        self.run_amtool("check-config", self.CONFIG)

    def test_only_what_is_critical_wakes_somebody(self):
        severities = {"critical", "high", "medium", "low", "info"}
        text = (TOP / "deploy/prometheus/rules/portolan.rules.yml").read_text()
        severities |= set(re.findall(r"^ +severity: (\w+)$", text, re.M))
        self.assertIn("warning", severities)
        for severity in sorted(severities):
            route = self.run_amtool("config", "routes", "test", f"--config.file={self.CONFIG}", "alertname=PortolanUnexpectedPortOpen",
                                    "monitor=workstations", f"severity={severity}")
            self.assertEqual(route == "pager", severity == "critical", (severity, route))


if __name__ == "__main__":
    unittest.main()
