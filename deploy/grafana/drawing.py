"""Draws a dashboard as Grafana would lay it out. Titles, units, legends, colours and positions are those of the dashboard's JSON."""
import math

import charts
import svg
import tables
import units

WIDTH, MARGIN, GAP, UNIT = 1000, 8, 6, 28  # pixels; UNIT is one of gridPos's heights
COLUMN = (WIDTH - 2 * MARGIN + GAP) / 24
HEAD, TITLE = 62, 22
SAYS = "preview drawn by deploy/grafana/preview.py from live data, not a Grafana screenshot"


def place(panel):
    """Where a panel is: x, y, width, height."""
    g = panel["gridPos"]
    return charts.Box(MARGIN + g["x"] * COLUMN, HEAD + g["y"] * UNIT, g["w"] * COLUMN - GAP, g["h"] * UNIT - GAP)


def stat(panel, _, results, box):
    series = charts.all_series(panel, results)
    if not series:
        return None
    defaults = panel["fieldConfig"]["defaults"]
    value = series[0][1][-1][1]
    shown = units.written(value, defaults["unit"])
    size = min(30, 30 * (box.w - 8) / max(1, svg.width(shown, 30)))
    return [svg.text(box.x + box.w / 2, box.y + box.h / 2 + size / 3 - 3, shown, size, svg.by_threshold(defaults, value), "middle", weight="500")]


def bar_gauge(panel, _, results, box):
    series = [(name, points[-1][1]) for name, points in charts.all_series(panel, results)]
    if not series:
        return None
    defaults = panel["fieldConfig"]["defaults"]
    low, high = defaults.get("min", 0), defaults.get("max", max(max(v for _, v in series), 1))
    most = int(box.h // 14)
    shown = series if len(series) <= most else series[:most - 1]
    lane = min(30, box.h / (len(shown) + (len(shown) < len(series))))
    left = min(0.35 * box.w, max(svg.width(name, 11) for name, _ in shown) + 10)
    right = max(svg.width(units.written(v, defaults["unit"]), 11) for _, v in shown) + 12
    out = []
    for i, (name, value) in enumerate(shown):
        y, full = box.y + i * lane, box.w - left - right
        shade = svg.by_threshold(defaults, value)
        out.append(svg.text(box.x + left - 8, y + lane / 2 + 4, name, 11, svg.TEXT, "end", left - 8))
        out.append(svg.rectangle(box.x + left, y + lane * 0.12, full, lane * 0.76, "#22252b"))
        part = min(1, max(0, (value - low) / (high - low)))
        out.append(svg.rectangle(box.x + left, y + lane * 0.12, full * part, lane * 0.76, shade, fill_opacity=0.75))
        out.append(svg.text(box.x + box.w, y + lane / 2 + 4, units.written(value, defaults["unit"]), 11, shade, "end"))
    if len(shown) < len(series):
        out.append(svg.text(box.x + left, box.y + box.h - 3, f"and {len(series) - len(shown)} more", 10, svg.WEAK))
    return out


def cell(panel, column, value):
    """(text, colour, whether it is a number)"""
    if value is None:
        return "", svg.TEXT, False
    numeric = isinstance(value, float)
    properties = tables.properties(panel, column, numeric)
    if not numeric:
        return value, svg.LINK if properties.get("links") else svg.TEXT, False
    told, shade = tables.mapped(properties.get("mappings"), value)
    if told:
        coloured = properties.get("custom.cellOptions", {}).get("type") == "color-text"
        return told, svg.colour(shade) if coloured else svg.TEXT, True
    return units.written(value, properties["unit"]), svg.TEXT, True


def table(panel, _, results, box):
    columns, rows = tables.made(panel, results)
    if not rows:
        return None
    cells = [[cell(panel, c, row.get(c)) for c in columns] for row in rows]
    wanted = [max([svg.width(c, 10)] + [svg.width(r[i][0], 10) for r in cells]) + 14 for i, c in enumerate(columns)]
    numeric = [any(r[i][2] for r in cells) for i in range(len(columns))]
    # Each gets what it wants and an equal part of what is left, or its part of too little.
    spare = box.w - sum(wanted)
    widths = [w + spare / len(wanted) for w in wanted] if spare >= 0 else [w * box.w / sum(wanted) for w in wanted]
    lane = 20
    most = int(box.h // lane) - 1
    shown = cells if len(cells) <= most else cells[:most - 1]
    out = []

    def put(y, i, content, fill, **more):
        x = box.x + sum(widths[:i])
        at, anchor = (x + widths[i] - 7, "end") if numeric[i] else (x + 7, None)
        out.append(svg.text(at, y, content, 10, fill, anchor, widths[i] - 10, **more))

    for i, name in enumerate(columns):
        put(box.y + 13, i, name, svg.LINK, weight="500")
    for n, row in enumerate(shown):
        y = box.y + (n + 1) * lane
        out.append(svg.line(box.x, y, box.x + box.w, y, svg.GRID))
        for i, (content, fill, _) in enumerate(row):
            put(y + 13, i, content, fill)
    if len(shown) < len(cells):
        out.append(svg.text(box.x + 7, box.y + (len(shown) + 1) * lane + 13, f"and {len(cells) - len(shown)} more", 10, svg.WEAK))
    return out


KINDS = {"stat": stat, "bargauge": bar_gauge, "table": table, "timeseries": charts.time_series, "state-timeline": charts.state_timeline}


def draw_panel(panel, data):
    box = place(panel)
    if panel["type"] == "row":
        y = box.y + box.h / 2
        return svg.tag("g", svg.text(box.x + 14, y + 5, panel["title"], 13, weight="500")
                       + svg.tag("path", d=f"M{box.x + 2:.1f} {y - 2:.1f}l4 4l4 -4", fill="none", stroke=svg.WEAK, stroke_width=1.5), class_="row")
    out = [svg.rectangle(box.x, box.y, box.w, box.h, svg.PANEL, stroke=svg.EDGE, rx=2),
           svg.text(box.x + 8, box.y + 15, panel["title"], 11, weight="500", room=box.w - 12)]
    inner = charts.Box(box.x + 8, box.y + TITLE, box.w - 16, box.h - TITLE - 6)
    content = KINDS[panel["type"]](panel, data, data["panels"].get(str(panel["id"]), {}), inner)
    if content is None:
        content = [svg.text(box.x + box.w / 2, box.y + box.h / 2 + 6, "No data", 12, svg.WEAK, "middle")]
    return svg.tag("g", "\n".join(out + content), class_="panel")


def head(dashboard, data):
    out = [svg.text(MARGIN + 2, 22, dashboard["title"], 16, weight="600"),
           svg.text(WIDTH - MARGIN - 2, 20, SAYS, 10, svg.NOTE, "end", font_style="italic")]
    x = MARGIN
    for v in dashboard["templating"]["list"]:
        value = "Prometheus" if v["type"] == "datasource" else data["chosen"].get(v["name"], v.get("current", {}).get("text", ["All"])[0])
        name, w = svg.width(v["label"], 10) + 12, svg.width(value, 10) + 14
        out.append(svg.rectangle(x, 34, name + w, 20, svg.PANEL, stroke=svg.EDGE, rx=2))
        out.append(svg.text(x + 7, 48, v["label"], 10, svg.LINK))
        out.append(svg.text(x + name + 5, 48, value, 10))
        x += name + w + 8
    minutes = round((data["end"] - data["start"]) / 60)
    out.append(svg.text(WIDTH - MARGIN - 2, 48, f"Last {minutes} minutes, UTC", 10, svg.WEAK, "end"))
    return out


def draw(dashboard, data):
    """`data`: start, end, step in seconds; chosen: values of variables; panels: id -> refId -> series; annotations: series."""
    height = HEAD + max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"]) * UNIT - GAP + MARGIN
    content = [svg.tag("title", svg.escape(f"{dashboard['title']}: {SAYS}")),
               svg.rectangle(0, 0, WIDTH, height, svg.BACKGROUND), *head(dashboard, data)]
    content += [draw_panel(p, data) for p in dashboard["panels"]]
    return svg.tag("svg", "\n" + "\n".join(content) + "\n", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {math.ceil(height)}",
                   font_family="Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif") + "\n"
