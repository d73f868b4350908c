#!/usr/bin/env python3
"""deploy/grafana/check.sh against a real Prometheus that scrapes an exporter of everything that docs/metrics.md lists: every query has data; and
without some of it, the check says which has none and fails."""
import http.server
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
import unittest

from deploy_test import TOP, documented

OPEN_LABELS = {"monitor": ["web"], "vantage": ["office", "cloud"], "agent": ["a1"], "rule": ["r"], "receiver": ["chat"], "scan": ["abcdefghij"],
               "target": ["10.0.0.1"], "port": ["22"], "service": ["ssh"], "program": ["portolan-coordinator"], "version": ["1"], "reason": ["x"]}


def label_values():
    """(metric, label) -> its documented values."""
    out = {}
    for line in (TOP / "docs" / "metrics.md").read_text().splitlines():
        cells = [c.strip() for c in line.split("|")]
        if len(cells) < 6:
            continue
        for label in cells[3].split(";"):
            name, _, values = label.partition(":")
            out[cells[1].strip("`"), name.strip()] = values.split() or OPEN_LABELS.get(name.strip(), ["x"])
    return out


def exposition(without):
    values, lines = label_values(), []
    for name, labels in documented().items():
        if name.startswith(without):
            continue
        base = name[:-len("_bucket")] if name.endswith("_bucket") else name
        names = sorted(labels - {"le"})
        for combination in itertools.product(*(values.get((base, n), ["x"]) for n in names)):
            pairs = list(zip(names, combination))
            for le in ("0.1", "+Inf") if "le" in labels else ("",):
                text = ",".join(f'{n}="{v}"' for n, v in pairs + ([("le", le)] if le else []))
                value = time.time() if name.endswith("timestamp_seconds") else 1 + time.time() % 1000 if name.endswith("_total") else 1
                lines.append(f"{name}{{{text}}} {value}" if text else f"{name} {value}")
    return "\n".join(lines) + "\n"


class Exporter:
    def __init__(self, without=("nothing",)):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = exposition(without).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def check(exporter):
    environment = {k: v for k, v in os.environ.items() if k != "PROMETHEUS_URL"}
    return subprocess.run([str(TOP / "deploy/grafana/check.sh"), "/nowhere", "--coordinator", exporter.address, "--seconds", "12"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, timeout=200, check=False)


@unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
class GrafanaCheck(unittest.TestCase):
    def test_every_query_has_data_where_all_is_exported(self):
        done = check(Exporter())
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])
        self.assertIn(" 0 without data", done.stdout)
        self.assertIn("Vantage matrix [A]", done.stdout)
        self.assertIn("alert PortolanScanStale", done.stdout)

    def test_what_has_none_is_named(self):
        done = check(Exporter(("portolan_vantage_disagreements", "portolan_agent_conntrack")))
        self.assertEqual(done.returncode, 1, done.stdout[-6000:])
        self.assertIn("NONE  Vantages disagree [A]", done.stdout)
        self.assertIn("(may be: no agent that is scraped tracks connections)", done.stdout)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
