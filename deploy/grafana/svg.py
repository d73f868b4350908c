"""A little of SVG: shapes, text that is cut where it would not fit, colours."""
from xml.sax.saxutils import escape, quoteattr

BACKGROUND, PANEL, EDGE, GRID = "#111217", "#181b1f", "#2b2e35", "#2a2d33"
TEXT, WEAK, LINK, NOTE = "#d5d5e0", "#9a9aa8", "#6e9fff", "#ff9830"
# Names that dashboards give, and the palette for series without one: Grafana's.
NAMED = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2", "gray": "#808089", "yellow": "#fade2a"}
PALETTE = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#8f7fd0", "#508642", "#cca300", "#5aa5a0", "#c15c17"]

# In ems, of a wide sans-serif font, so that text fits in whichever is there.
NARROW, WIDE = set("iljtfrI.,:;'|!()[]/ "), set("mwMW@%")


def width(text, size):
    return size * sum(0.38 if c in NARROW else 0.9 if c in WIDE else 0.68 if c.isupper() else 0.61 for c in text)


def fitted(text, size, room):
    if width(text, size) <= room:
        return text
    while text and width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


def number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def tag(name, content=None, **attributes):
    pairs = "".join(f" {k.rstrip('_').replace('_', '-')}={quoteattr(number(v) if isinstance(v, (int, float)) else v)}"
                    for k, v in attributes.items() if v is not None)
    return f"<{name}{pairs}/>" if content is None else f"<{name}{pairs}>{content}</{name}>"


def text(x, y, content, size=11, fill=TEXT, anchor=None, room=None, weight=None, **more):
    """Its base line begins (anchor: is centred, ends) at x, y. Cut to `room`."""
    if room is not None:
        content = fitted(content, size, room)
    return tag("text", escape(content), x=x, y=y, font_size=size, fill=fill, text_anchor=anchor, font_weight=weight, **more)


def rectangle(x, y, w, h, fill, **more):
    return tag("rect", x=x, y=y, width=max(0, w), height=max(0, h), fill=fill, **more)


def line(x1, y1, x2, y2, stroke, **more):
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, **more)


def colour(name):
    return NAMED.get(name, name)


def by_threshold(defaults, value):
    """The colour of the last step that a value has reached; the first step is the base."""
    steps = defaults["thresholds"]["steps"]
    reached = [s for s in steps if s["value"] is None or value >= s["value"]]
    return colour(reached[-1]["color"])
