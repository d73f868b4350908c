"""Numbers as Grafana writes them: its value formats that the dashboards use, and ticks of axes."""
import math


def plain(value, decimals=None):
    """Three significant digits, no zeros that say nothing."""
    if decimals is None:
        if value == 0:
            return "0"
        decimals = min(9, max(0, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def scaled(value, base, names):
    n = 0
    while abs(value) >= base and n + 1 < len(names):
        value, n = value / base, n + 1
    return plain(value) + names[n]


def seconds(value):
    for least, unit, name in [(86400, 86400, "days"), (3600, 3600, "hours"), (60, 60, "mins"), (1, 1, "s"), (1e-3, 1e-3, "ms"), (1e-6, 1e-6, "µs")]:
        if abs(value) >= least:
            text = plain(value / unit)
            return f"{text} {name[:-1] if text == '1' and name in ('days', 'hours', 'mins') else name}"
    return "0 s"


FORMATS = {
    "none": plain,
    "short": lambda v: scaled(v, 1000, ["", " K", " Mil", " Bil", " Tri"]),
    "s": seconds,
    "bytes": lambda v: scaled(v, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]),
    "percentunit": lambda v: plain(100 * v) + "%",
    "ops": lambda v: scaled(v, 1000, [" ops/s", "K ops/s", "M ops/s", "B ops/s"]),
    "pps": lambda v: scaled(v, 1000, [" p/s", " kp/s", " Mp/s", " Gp/s"]),
}


def written(value, unit):
    if math.isinf(value) or math.isnan(value):
        return "-"
    return FORMATS[unit](value)


def steps_between(low, high, unit, most=4):
    """Round numbers from at or below `low` to at or above `high`, at most `most` steps of 1, 2 or 5 (of 1024 for bytes)."""
    if high <= low:
        high = low + 1
    base = 1.0
    if unit == "bytes":
        base = 1024.0 ** max(0, math.floor(math.log(max(high, 1), 1024)))
    elif unit == "s" and high >= 120:
        base = 60.0
    least = (high - low) / most / base
    power = 10.0 ** math.floor(math.log10(least))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= least * 0.999) * base
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]
