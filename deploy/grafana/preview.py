#!/usr/bin/env python3
"""Draws each dashboard as one SVG from what a real Prometheus answers. They are previews, not Grafana's own pictures.

usage: preview.py PROMETHEUS_URL [--minutes N] [--rate-interval 1m] [--monitor NAME] [--out DIRECTORY] [--keep FILE]
       preview.py FILE [--out DIRECTORY]     draws again what --keep kept
"""
import argparse
import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
import drawing  # noqa: E402
import expressions  # noqa: E402

OUT = expressions.DEPLOY.parent / "docs" / "dashboards"
POINTS = 120  # of a series; a narrow panel has 270 pixels


def collect(prometheus, minutes, rate_interval, monitor):
    """uid of a dashboard -> what drawing.draw takes."""
    # One moment for all, so that the panels agree.
    end = int(time.time())
    start, step = end - 60 * minutes, max(1, 60 * minutes // POINTS)
    out = {}
    for _, dashboard in expressions.dashboards():
        # The dashboard of one monitor shows one.
        chosen = {"monitor": monitor} if monitor and dashboard["uid"] == "portolan-monitor" else {}
        data = {"start": start, "end": end, "step": step, "chosen": chosen, "panels": {}, "annotations": []}
        for panel, target, expr in expressions.queries(dashboard, rate_interval, chosen):
            result = prometheus.at(expr, end) if target["instant"] else prometheus.over(expr, start, end, step)
            data["panels"].setdefault(str(panel["id"]), {})[target["refId"]] = result
        for _, expr in expressions.annotations(dashboard, rate_interval, chosen):
            data["annotations"].extend(prometheus.over(expr, start, end, step))
        out[dashboard["uid"]] = data
    number_scans(out)
    return out


def number_scans(data):
    """Ids of scans are random; here they are numbers, in the order in which they were seen."""
    results = [result for d in data.values() for panel in d["panels"].values() for result in panel.values()]
    seen = {}
    for series in (s for result in results for s in result if "scan" in s["metric"]):
        first, scan = float(series["values"][0][0]), series["metric"]["scan"]
        seen[scan] = min(first, seen.get(scan, first))
    numbers = {scan: i + 1 for i, scan in enumerate(sorted(seen, key=lambda s: (seen[s], s)))}
    for result in results:
        result.sort(key=lambda s: numbers.get(s["metric"].get("scan"), 0))
        for series in result:
            if "scan" in series["metric"]:
                series["metric"]["scan"] = f"scan-{numbers[series['metric']['scan']]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a Prometheus, or a file that --keep made")
    parser.add_argument("--minutes", type=int, default=60, help="how far back the pictures reach")
    parser.add_argument("--rate-interval", default="1m", help="at least four times the scrape interval")
    parser.add_argument("--monitor", help="the one that the dashboard of a monitor shows; else all")
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("--keep", type=pathlib.Path, help="keep what Prometheus answered")
    arguments = parser.parse_args()
    try:
        if "://" in arguments.source:
            data = collect(expressions.Prometheus(arguments.source), arguments.minutes, arguments.rate_interval, arguments.monitor)
        else:
            data = json.loads(pathlib.Path(arguments.source).read_text())
    except (OSError, RuntimeError, ValueError) as e:
        sys.exit(f"preview: {arguments.source}: {e}; name a Prometheus that runs, or a file that --keep made")
    if arguments.keep:
        arguments.keep.write_text(json.dumps(data))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for _, dashboard in expressions.dashboards():
        path = arguments.out / f"{dashboard['uid']}.svg"
        path.write_text(drawing.draw(dashboard, data[dashboard["uid"]]))
        print(path)


if __name__ == "__main__":
    main()
