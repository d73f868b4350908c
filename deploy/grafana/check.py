#!/usr/bin/env python3
"""Lists each panel of the dashboards and each rule with its query and its value in a real Prometheus, and exits 1 when one has no data.

usage: check.py PROMETHEUS_URL [--minutes N] [--rate-interval 1m] [--optional REGEX]

An alert that does not fire has no value: of its expression, each series that it reads must be there.
"""
import argparse
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
import expressions  # noqa: E402

# Not on every machine, and not at every moment. What matches may be absent.
OPTIONAL = {
    r"portolan_agent_conntrack|portolan:conntrack": "no agent that is scraped tracks connections",
    r"portolan_scan_(progress_ratio|probes_per_second)": "no scan has run for long enough to be seen",
}


class Prometheus:
    def __init__(self, url, minutes):
        self.url, self.minutes = url.rstrip("/"), minutes

    def get(self, path, **parameters):
        query = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(query, timeout=30) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as e:
            body = json.load(e)
        if body.get("status") != "success":
            raise RuntimeError(body.get("error", "no answer"))
        return body["data"]

    def ask(self, expr, instant):
        """(how many series, a value of one); the newest within the last minutes."""
        if instant:
            result = self.get("/api/v1/query", query=expr)["result"]
            return len(result), result[0]["value"][1] if result else None
        now = time.time()
        step = max(1, self.minutes * 60 // 300)
        result = self.get("/api/v1/query_range", query=expr, start=now - 60 * self.minutes, end=now, step=step)["result"]
        return len(result), result[0]["values"][-1][1] if result else None


class Report:
    def __init__(self, prometheus, optional):
        self.prometheus, self.optional, self.bad, self.asked = prometheus, optional, [], 0

    def query(self, what, expr, instant=False):
        self.asked += 1
        try:
            n, value = self.prometheus.ask(expr, instant)
        except RuntimeError as e:
            n, value = 0, f"error: {e}"
        note = ""
        if n == 0 and value is None:
            value = "no data"
            for pattern, why in self.optional.items():
                if re.search(pattern, expr):
                    note = f"  (may be: {why})"
        print(f"{'ok  ' if n or note else 'NONE'}  {what}\n        {expr}\n        {value}" + (f" of {n} series" if n else note))
        if not n and not note:
            self.bad.append((what, expr))

    def alert(self, what, expr):
        """Each selector of it with its labels; else by its name, since a label's value may be absent while all is well."""
        for name, matchers in sorted(set(expressions.SELECTOR.findall(expr))):
            n, _ = self.prometheus.ask(name + matchers, False)
            self.query(what, name + matchers if n else name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--minutes", type=int, default=10, help="how far back data may lie")
    parser.add_argument("--rate-interval", default="1m", help="at least four times the scrape interval")
    parser.add_argument("--optional", action="append", default=[], help="metrics that may be absent")
    arguments = parser.parse_args()
    optional = dict(OPTIONAL, **{pattern: "--optional" for pattern in arguments.optional})
    report = Report(Prometheus(arguments.url, arguments.minutes), optional)
    try:
        report.prometheus.get("/api/v1/query", query="1")
    except (OSError, RuntimeError, ValueError) as e:
        sys.exit(f"check: {arguments.url}: {e}; name a Prometheus that runs")
    for _, dashboard in expressions.dashboards():
        print(f"\n== {dashboard['title']}")
        for annotation in dashboard["annotations"]["list"]:
            # Without its "> 0": nothing may have changed.
            expr = re.sub(r" > 0$", "", expressions.substituted(annotation["expr"], arguments.rate_interval))
            report.query(f"annotation {annotation['name']}", expr)
        for panel in expressions.panels(dashboard):
            for target in panel["targets"]:
                expr = expressions.substituted(target["expr"], arguments.rate_interval)
                report.query(f"{panel['title']} [{target['refId']}]", expr, target["instant"])
    for rule in expressions.rules():
        if "record" in rule:
            report.query(f"{rule['group']}: {rule['record']}", rule["expr"])
            report.query(f"{rule['group']}: {rule['record']}, as recorded", rule["record"])
        else:
            report.alert(f"{rule['group']}: alert {rule['alert']}", rule["expr"])
    print(f"\n{report.asked} queries, {len(report.bad)} without data")
    for what, expr in report.bad:
        print(f"  {what}: {expr}")
    return 1 if report.bad else 0


if __name__ == "__main__":
    sys.exit(main())
