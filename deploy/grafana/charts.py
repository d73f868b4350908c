"""Panels over time: time series with their legends, and state timelines."""
import math
import re
import time

import svg
import tables
import units

LINE = 13  # of text, in pixels
CALCS = {"lastNotNull": ("Last", lambda values: values[-1]), "max": ("Max", max)}


def named(target, series):
    """The legend of a series."""
    return re.sub(r"\{\{(\w+)\}\}", lambda m: series["metric"].get(m.group(1), ""), target["legendFormat"]).strip() or "Value"


def all_series(panel, results):
    """(name, [(time, value)]) of every target, without what is no number."""
    out = []
    for target in panel["targets"]:
        for series in results.get(target["refId"], []):
            points = [(float(t), float(v)) for t, v in series["values"]]
            points = [(t, v) for t, v in points if math.isfinite(v)]
            if points:
                out.append((named(target, series), points))
    return out


class Box:
    """Where something is drawn: pixels."""

    def __init__(self, x, y, w, h):
        self.x, self.y, self.w, self.h = x, y, w, h


class TimeAxis:
    def __init__(self, data, box):
        self.data, self.box = data, box
        self.start, self.end = data["start"], data["end"]

    def x(self, t):
        return self.box.x + (t - self.start) / (self.end - self.start) * self.box.w

    def ticks(self):
        length = self.end - self.start
        most = max(2, self.box.w // 50)
        step = next((s for s in (15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200) if length / s <= most), 86400)
        first = math.ceil(self.start / step) * step
        return range(first, int(self.end) + 1, step)

    def draw(self):
        out, bottom = [], self.box.y + self.box.h
        for t in self.ticks():
            x = self.x(t)
            out.append(svg.line(x, self.box.y, x, bottom, svg.GRID))
            if self.box.x <= x - 12 and x + 12 <= self.box.x + self.box.w + 8:
                stamp = time.strftime("%H:%M" if t % 60 == 0 else "%H:%M:%S", time.gmtime(t))
                out.append(svg.text(x, bottom + 12, stamp, 9, svg.WEAK, "middle"))
        return out

    def annotations(self):
        """The beginning of each change: a rate stays above zero for as long as its window."""
        moments = sorted({t for series in self.data["annotations"] for t, _ in series["values"]})
        out, bottom, before = [], self.box.y + self.box.h, None
        for t in moments:
            if before is None or t - before > 1.5 * self.data["step"]:
                x = self.x(t)
                out.append(svg.line(x, self.box.y, x, bottom, svg.NOTE, stroke_dasharray="3 3", stroke_opacity=0.8))
                out.append(svg.tag("path", d=f"M{x - 3:.1f} {bottom + 4:.1f}h6l-3 -4z", fill=svg.NOTE))
            before = t
        return out


class Legend:
    """A table of names and the calculations that the panel asks for: at the right of wide panels, below in narrow ones."""

    def __init__(self, panel, series, box):
        self.unit = panel["fieldConfig"]["defaults"]["unit"]
        self.calcs = panel["options"]["legend"].get("calcs", [])
        self.rows = [(name, [units.written(CALCS[c][1]([v for _, v in points]), self.unit) for c in self.calcs]) for name, points in series]
        self.value_width = [max([svg.width(r[1][i], 10) for r in self.rows] + [svg.width(CALCS[c][0], 9)]) + 8 for i, c in enumerate(self.calcs)]
        longest = max([svg.width(name, 10) for name, _ in self.rows], default=0) + 16
        self.wanted = longest + sum(self.value_width)
        self.right = panel["options"]["legend"]["placement"] == "right" and box.w > 380
        if self.right:
            w = min(self.wanted, 0.55 * box.w)
            self.box, self.chart = Box(box.x + box.w - w, box.y, w, box.h), Box(box.x, box.y, box.w - w - 12, box.h)
            self.columns, self.most = 1, int(box.h // LINE) - 1
        else:
            self.columns = 2 if len(self.rows) > 2 and self.wanted < box.w / 2 - 8 else 1
            self.most = min(math.ceil(len(self.rows) / self.columns), 6)
            h = LINE * (self.most + 1)
            self.box, self.chart = Box(box.x, box.y + box.h - h, box.w, h), Box(box.x, box.y, box.w, box.h - h - 4)

    def draw(self):
        out, column_width = [], self.box.w / self.columns - (8 if self.columns > 1 else 0)
        shown = self.rows
        if len(shown) > self.most * self.columns:
            shown = shown[:self.most * self.columns - 1]
        for column in range(self.columns):
            x, right = self.box.x + column * (column_width + 16), self.box.x + column * (column_width + 16) + column_width
            end = right
            for c, w in reversed(list(zip(self.calcs, self.value_width))):
                out.append(svg.text(end, self.box.y + 9, CALCS[c][0], 9, svg.LINK, "end"))
                end -= w
            for i, (name, values) in list(enumerate(shown))[column * self.most:(column + 1) * self.most]:
                y = self.box.y + LINE * (i % self.most + 1) + 10
                out.append(svg.rectangle(x, y - 4, 10, 3, svg.PALETTE[i % len(svg.PALETTE)]))
                out.append(svg.text(x + 14, y, name, 10, room=column_width - sum(self.value_width) - 14))
                end = right
                for value, w in reversed(list(zip(values, self.value_width))):
                    out.append(svg.text(end, y, value, 10, svg.TEXT, "end"))
                    end -= w
        if len(shown) < len(self.rows):
            y = self.box.y + LINE * (len(shown) % self.most + 1) + 10
            x = self.box.x + (self.columns - 1) * (column_width + 16)
            out.append(svg.text(x + 14, y, f"and {len(self.rows) - len(shown)} more", 10, svg.WEAK))
        return out


def stacked(series):
    """Each on top of the ones before it: (name, [(time, bottom, top)])."""
    sums, out = {}, []
    for name, points in series:
        layer = []
        for t, v in points:
            bottom = sums.get(t, 0.0)
            sums[t] = bottom + v
            layer.append((t, bottom, sums[t]))
        out.append((name, layer))
    return out


def pieces(points, step):
    """Where points are missing, the line ends."""
    out = []
    for p in points:
        if not out or p[0] - out[-1][-1][0] > 1.5 * step:
            out.append([])
        out[-1].append(p)
    return out


def outline(points):
    """Without what lies on a level line between others: most of a quiet series."""
    return [p for i, p in enumerate(points) if i in (0, len(points) - 1) or not points[i - 1][1] == p[1] == points[i + 1][1]]


def time_series(panel, data, results, box):
    series = all_series(panel, results)
    if not series:
        return None
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    layers = stacked(series) if custom["stacking"]["mode"] == "normal" else [(n, [(t, 0.0, v) for t, v in p]) for n, p in series]
    tops = [top for _, points in layers for _, _, top in points]
    low, high = defaults.get("min", min(tops)), defaults.get("max", max(tops))
    legend = Legend(panel, series, box)
    ticks = units.steps_between(low, high, defaults["unit"], 4 if legend.chart.h > 90 else 3)
    low, high = ticks[0], ticks[-1]
    labels = [units.written(t, defaults["unit"]) for t in ticks]
    left = max(svg.width(label, 9) for label in labels) + 6
    chart = legend.chart
    plot = Box(chart.x + left, chart.y + 5, chart.w - left - 4, chart.h - 22)
    axis = TimeAxis(data, plot)

    def y(value):
        value = min(high, max(low, value))  # what an axis of the panel's own does not hold
        return plot.y + plot.h - (value - low) / (high - low) * plot.h

    out = []
    for value, label in zip(ticks, labels):
        out.append(svg.line(plot.x, y(value), plot.x + plot.w, y(value), svg.GRID))
        out.append(svg.text(plot.x - 5, y(value) + 3, label, 9, svg.WEAK, "end"))
    out += axis.draw()
    # The lowest of a stack last, so that it is seen below layers of nothing.
    for i, (_, points) in reversed(list(enumerate(layers))):
        shade = svg.PALETTE[i % len(svg.PALETTE)]
        for piece in pieces(points, data["step"]):
            if len(piece) == 1:
                out.append(svg.tag("circle", cx=axis.x(piece[0][0]), cy=y(piece[0][2]), r=1.5, fill=shade))
                continue
            top = [f"{axis.x(t):.1f} {y(v):.1f}" for t, v in outline([(t, v) for t, _, v in piece])]
            bottom = [f"{axis.x(t):.1f} {y(v):.1f}" for t, v in reversed(outline([(t, v) for t, v, _ in piece]))]
            out.append(svg.tag("path", d="M" + "L".join(top + bottom) + "z", fill=shade, fill_opacity=custom["fillOpacity"] / 100))
            out.append(svg.tag("path", d="M" + "L".join(top), fill="none", stroke=shade, stroke_width=1.3))
    return out + axis.annotations() + legend.draw()


def state_timeline(panel, data, results, box):
    series = all_series(panel, results)
    if not series:
        return None
    mappings = panel["fieldConfig"]["defaults"]["mappings"]
    left = min(0.4 * box.w, max(svg.width(name, 10) for name, _ in series) + 8)
    plot = Box(box.x + left, box.y + 2, box.w - left - 4, box.h - 36)
    axis = TimeAxis(data, plot)
    out = axis.draw()
    lane = plot.h / len(series)
    for i, (name, points) in enumerate(series):
        y = plot.y + i * lane
        out.append(svg.text(plot.x - 6, y + lane / 2 + 3, name, 10, svg.TEXT, "end", left - 8))
        for piece in pieces(points, data["step"]):
            begun = 0
            for j, (t, value) in enumerate(piece):
                last = j + 1 == len(piece)
                if not last and piece[j + 1][1] == value:
                    continue
                until = min(data["end"], t + data["step"] if last else piece[j + 1][0])
                from_ = piece[begun][0]
                _, name_of = tables.mapped(mappings, value)
                out.append(svg.rectangle(axis.x(from_), y + lane * 0.15, axis.x(until) - axis.x(from_), lane * 0.7, svg.colour(name_of or "blue"),
                                         fill_opacity=0.8))
                begun = j + 1
    x = box.x
    for mapping in mappings:
        for state in mapping["options"].values():
            out.append(svg.rectangle(x, box.y + box.h - 8, 10, 3, svg.colour(state["color"])))
            out.append(svg.text(x + 14, box.y + box.h - 4, state["text"], 10))
            x += 14 + svg.width(state["text"], 10) + 12
    return out
