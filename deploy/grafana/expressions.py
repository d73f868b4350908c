"""The PromQL of dashboards and rules: for check.py and for the tests."""
import json
import pathlib
import re

DEPLOY = pathlib.Path(__file__).resolve().parent.parent

# A name of ours, and its matchers: in "a{b=~"c"}[5m]".
SELECTOR = re.compile(r"\b((?:portolan|process)[a-z0-9_:]+)(\{[^{}]*\})?")


def dashboards():
    """(file name, dashboard), by name."""
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        yield path.name, json.loads(path.read_text())


def panels(dashboard):
    return [p for p in dashboard["panels"] if p["type"] != "row"]


def rules():
    """Each rule as a dict of group, record or alert, expr. Reads the little of YAML that the rule files use."""
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        group, rule = None, None
        for line in path.read_text().splitlines():
            m = re.match(r"\s*(?:- )?(name|record|alert|expr): (.*)", line)
            if not m:
                continue
            key, value = m.groups()
            if key == "name":
                group = value
            elif key == "expr":
                if value in ("|", ">", ""):
                    raise ValueError(f"{path.name}: write the expr of {rule} on one line")
                yield {"group": group, **rule, "expr": value}
            else:
                rule = {key: value}


def substituted(expr, rate_interval, variables=None):
    """As Grafana would send it with everything chosen; `variables` tells what of single ones."""
    expr = expr.replace("$__rate_interval", rate_interval)
    for name, value in (variables or {}).items():
        expr = expr.replace("$" + name, value)
    return re.sub(r"\$[a-z]+", ".+", expr)
