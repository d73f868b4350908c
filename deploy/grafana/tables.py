"""What Grafana makes of the answers to a table's targets: frames, the transformations that the dashboards use, and overrides."""


def frame(target, result, several):
    """Rows as dicts, columns in order: Time, the labels, the value."""
    value = f"Value #{target['refId']}" if several else "Value"
    labels = sorted({label for series in result for label in series["metric"]})
    rows = [{"Time": series["values"][-1][0], **series["metric"], value: float(series["values"][-1][1])} for series in result]
    return ["Time", *labels, value], rows


def merge(frames):
    """Rows that agree in their labels become one."""
    columns, rows = [], {}
    for names, content in frames:
        columns.extend(n for n in names if n not in columns)
        for row in content:
            key = tuple(sorted((k, v) for k, v in row.items() if k != "Time" and not k.startswith("Value")))
            rows.setdefault(key, {}).update(row)
    # Values after all the labels, in the order of the targets.
    columns.sort(key=lambda n: n.startswith("Value"))
    return columns, list(rows.values())


def matrix(options, columns, rows):
    row_field, column_field, value_field = options["rowField"], options["columnField"], options["valueField"]
    corner = f"{row_field}\\{column_field}"
    across = []
    out = {}
    for row in rows:
        name, column = row.get(row_field, ""), row.get(column_field, "")
        if column not in across:
            across.append(column)
        out.setdefault(name, {corner: name})[column] = row[value_field]
    return [corner, *across], list(out.values())


def organize(options, columns, rows):
    excluded, renamed = options.get("excludeByName", {}), options.get("renameByName", {})
    kept = [c for c in columns if not excluded.get(c)]
    return [renamed.get(c, c) for c in kept], [{renamed.get(c, c): row[c] for c in kept if c in row} for row in rows]


def made(panel, results):
    """(columns, rows) of a table; `results`: refId -> series."""
    several = len(panel["targets"]) > 1
    frames = [frame(t, results.get(t["refId"], []), several) for t in panel["targets"]]
    columns, rows = merge(frames)
    for transformation in panel.get("transformations", []):
        options = transformation["options"]
        if transformation["id"] == "organize":
            columns, rows = organize(options, columns, rows)
        elif transformation["id"] == "groupingToMatrix":
            columns, rows = matrix(options, columns, rows)
        elif transformation["id"] != "merge":
            raise ValueError(f"{panel['title']}: the transformation {transformation['id']} is not known here; add it to tables.py")
    return columns, rows


def properties(panel, column, numeric):
    """What holds for a column: the defaults, then the overrides that match it."""
    out = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        if (matcher["id"] == "byName" and matcher["options"] == column) or (matcher == {"id": "byType", "options": "number"} and numeric):
            out.update((p["id"], p["value"]) for p in override["properties"])
    return out


def mapped(mappings, value):
    """(text, colour) of a value mapping, or (None, None)."""
    for mapping in mappings or []:
        hit = mapping["options"].get(f"{value:g}")
        if mapping["type"] == "value" and hit:
            return hit["text"], hit["color"]
    return None, None
