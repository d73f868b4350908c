"""The PromQL of dashboards and rules, and who answers it: for check.py, preview.py and the tests."""
import json
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request

DEPLOY = pathlib.Path(__file__).resolve().parent.parent

# A name of ours, and its matchers: in "a{b=~"c"}[5m]".
SELECTOR = re.compile(r"\b((?:portolan|process)[a-z0-9_:]+)(\{[^{}]*\})?")


def dashboards():
    """(file name, dashboard), by name."""
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        yield path.name, json.loads(path.read_text())


def panels(dashboard):
    return [p for p in dashboard["panels"] if p["type"] != "row"]


def queries(dashboard, rate_interval, variables=None):
    """(panel, target, its expression as Grafana would send it)"""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel, target, substituted(target["expr"], rate_interval, variables)


def annotations(dashboard, rate_interval, variables=None):
    """(annotation, its expression as Grafana would send it)"""
    for annotation in dashboard["annotations"]["list"]:
        yield annotation, substituted(annotation["expr"], rate_interval, variables)


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


class Prometheus:
    """Raises RuntimeError with what Prometheus says is wrong, OSError when it is not there."""

    def __init__(self, url):
        self.url = url.rstrip("/")

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

    def at(self, expr, time):
        """Series as dicts of metric (labels) and values, one (time, value) of each."""
        result = self.get("/api/v1/query", query=expr, time=time)["result"]
        return [{"metric": s["metric"], "values": [s["value"]]} for s in result]

    def over(self, expr, start, end, step):
        """Series as dicts of metric (labels) and values: (time, value as text)."""
        return self.get("/api/v1/query_range", query=expr, start=start, end=end, step=step)["result"]
