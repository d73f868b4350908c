#!/usr/bin/env python3
"""Lists each panel of the dashboards and each rule with its query and its value in a real Prometheus, and exits 1 when one has no data.

usage: check.py PROMETHEUS_URL [--minutes N] [--rate-interval 1m] [--optional REGEX]

An alert that does not fire has no value: of its expression, each series that it reads must be there.
"""
import argparse
import re
import sys
import time

sys.dont_write_bytecode = True
import expressions  # noqa: E402

# Not on every machine, and not at every moment. What matches may be absent.
OPTIONAL = {
    r"portolan_agent_conntrack|portolan:conntrack": "no agent that is scraped tracks connections",
    r"portolan_scan_(progress_ratio|probes_per_second)": "no scan has run for long enough to be seen",
}


class Report:
    def __init__(self, prometheus, minutes, optional):
        self.prometheus, self.minutes, self.optional, self.bad, self.asked = prometheus, minutes, optional, [], 0

    def ask(self, expr, instant):
        """(how many series, a value of one); the newest within the last minutes."""
        now = time.time()
        if instant:
            result = self.prometheus.at(expr, now)
        else:
            result = self.prometheus.over(expr, now - 60 * self.minutes, now, max(1, self.minutes * 60 // 300))
        return len(result), result[0]["values"][-1][1] if result else None

    def query(self, what, expr, instant=False):
        self.asked += 1
        try:
            n, value = self.ask(expr, instant)
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
            n, _ = self.ask(name + matchers, False)
            self.query(what, name + matchers if n else name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--minutes", type=int, default=10, help="how far back data may lie")
    parser.add_argument("--rate-interval", default="1m", help="at least four times the scrape interval")
    parser.add_argument("--optional", action="append", default=[], help="metrics that may be absent")
    arguments = parser.parse_args()
    optional = dict(OPTIONAL, **{pattern: "--optional" for pattern in arguments.optional})
    report = Report(expressions.Prometheus(arguments.url), arguments.minutes, optional)
    try:
        report.prometheus.get("/api/v1/query", query="1")
    except (OSError, RuntimeError, ValueError) as e:
        sys.exit(f"check: {arguments.url}: {e}; name a Prometheus that runs")
    for _, dashboard in expressions.dashboards():
        print(f"\n== {dashboard['title']}")
        for annotation, expr in expressions.annotations(dashboard, arguments.rate_interval):
            # Without its "> 0": nothing may have changed.
            report.query(f"annotation {annotation['name']}", re.sub(r" > 0$", "", expr))
        for panel, target, expr in expressions.queries(dashboard, arguments.rate_interval):
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
