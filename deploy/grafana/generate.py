#!/usr/bin/env python3
"""Makes deploy/grafana/dashboards/*.json: generate.py [DIRECTORY]

The dashboards are checked in; a test checks that they are what this makes. Change this file, run it, and commit both.
They follow the rules of Grafana's dashboard linter (tests/deploy checks them).
"""
import json
import pathlib
import sys

# In every selector, so that one Grafana can show several coordinators.
ALL = 'job=~"$job",instance=~"$instance"'
MON = ALL + ',monitor=~"$monitor"'
SCAN = ALL + ',scan=~"$scan"'
FLEET = ALL + ',vantage=~"$vantage"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

GREEN_RED = [(None, "green"), (1, "red")]
GREEN_ORANGE = [(None, "green"), (1, "orange")]
PLAIN = [(None, "blue")]


def findings_by(labels, matchers):
    """Zero of "none" where there is none: a panel says 0, not "No data"."""
    findings = f"portolan_findings{{{matchers}}}"
    last = labels.split(", ")[-1]
    return f'sum by ({labels}) ({findings}) or label_replace(vector(0) unless on () {findings}, "{last}", "none", "", "")'


def target(expr, legend, instant=False, table=False):
    t = {"datasource": DATASOURCE, "expr": expr, "legendFormat": legend, "editorMode": "code"}
    if instant or table:
        t.update(instant=True, range=False)
    else:
        t.update(instant=False, range=True)
    if table:
        t["format"] = "table"
    return t


def panel(kind, title, description, targets, unit, width, height, options, steps=PLAIN, defaults=None, **more):
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [dict(t, refId=chr(ord("A") + i)) for i, t in enumerate(targets)],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "thresholds": {"mode": "absolute", "steps": [{"value": v, "color": c} for v, c in steps]},
                **(defaults or {}),
            },
            "overrides": more.pop("overrides", []),
        },
        "options": options,
        **more,
    }


def stat(title, description, expr, legend, unit="short", steps=PLAIN, width=4):
    return panel("stat", title, description, [target(expr, legend, instant=True)], unit, width, 4,
                 {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none",
                  "textMode": "value"}, steps)


def series(title, description, targets, unit="short", width=12, stack=False, zero=True, height=8):
    custom = {"fillOpacity": 20 if stack else 5, "lineWidth": 1, "showPoints": "never",
              "stacking": {"mode": "normal" if stack else "none"}}
    defaults = {"custom": custom}
    if zero:
        defaults["min"] = 0
    return panel("timeseries", title, description, [target(*t) for t in targets], unit, width, height,
                 {"legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]},
                  "tooltip": {"mode": "multi", "sort": "desc"}}, defaults=defaults)


def table(title, description, targets, width, unit="short", height=9, transformations=(), overrides=(), **more):
    return panel("table", title, description, [target(*t, table=True) for t in targets], unit, width, height,
                 {"showHeader": True, "cellHeight": "sm"}, transformations=list(transformations),
                 overrides=list(overrides), **more)


def column(name, **properties):
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": k.replace("__", "."), "value": v} for k, v in properties.items()]}


def bars(title, description, expr, legend, width, unit="short", height=9):
    return panel("bargauge", title, description, [target(expr, legend, instant=True)], unit, width, height,
                 {"orientation": "horizontal", "displayMode": "basic", "reduceOptions": {"calcs": ["lastNotNull"]}})


def variable(name, query, label):
    return {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "refresh": 2, "sort": 1,
            "query": {"query": query, "refId": name}, "definition": query, "multi": True, "includeAll": True,
            "allValue": ".+", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


def dashboard(uid, title, description, rows, variables=(), annotations=(), refresh="30s", since="now-6h"):
    panels, y = [], 0
    for name, row in rows:
        panels.append({"type": "row", "title": name, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        x, y, height, before = 0, y + 1, 0, None
        for p in row:
            g = p["gridPos"]
            if x + g["w"] > 24 and before and before["w"] == g["w"] and before["y"] + before["h"] + g["h"] <= y + height:
                # Below the one before, beside a higher one.
                g.update(x=before["x"], y=before["y"] + before["h"])
            else:
                if x + g["w"] > 24:
                    x, y, height = 0, y + height, 0
                g.update(x=x, y=y)
                x, height = x + g["w"], max(height, g["h"])
            before = g
            panels.append(p)
        y += height
    for i, p in enumerate(panels):
        p["id"] = i + 1
    links = [{"type": "dashboards", "title": "Portolan", "tags": ["portolan"], "asDropdown": True,
              "includeVars": True, "keepTime": True}]
    return {
        "uid": uid, "title": title, "description": description, "tags": ["portolan"], "schemaVersion": 38,
        "editable": False, "graphTooltip": 1, "refresh": refresh, "timezone": "browser",
        "time": {"from": since, "to": "now"}, "links": links,
        "annotations": {"list": list(annotations)},
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
             "current": {}, "hide": 0},
            variable("job", "label_values(portolan_build_info, job)", "Job"),
            variable("instance", 'label_values(portolan_build_info{job=~"$job"}, instance)', "Instance"),
            *variables]},
        "panels": panels,
    }


MONITOR_VARIABLE = variable("monitor", f"label_values(portolan_monitor_paused{{{ALL}}}, monitor)", "Monitor")
VANTAGE_VARIABLE = variable("vantage", f"label_values(portolan_agents{{{ALL}}}, vantage)", "Vantage")
SCAN_VARIABLE = variable("scan", f"label_values(portolan_scan_progress_ratio{{{ALL}}}, scan)", "Scan")

CHANGES = {
    "name": "Changes", "enable": True, "iconColor": "orange", "datasource": DATASOURCE,
    "expr": f"sum by (monitor, vantage, change) (increase(portolan_exposure_changes_total{{{MON}}}[$__rate_interval])) > 0",
    "titleFormat": "{{monitor}}: {{change}}", "textFormat": "seen from {{vantage}}", "tagKeys": "change,vantage",
    "step": "60s",
}

HIDE_TIME = {"id": "organize", "options": {"excludeByName": {"Time": True}}}


def exposure():
    last = "portolan_monitor_last_success_timestamp_seconds"
    return dashboard(
        "portolan-exposure", "Portolan / Exposure", "What is open, from where, and should it be: over all monitors.",
        [("Now", [
            stat("Unexpected open ports", "Ports open from a vantage although a rule says that they must not be; one that is seen from two vantages counts twice.",
                 f'sum(portolan_exposed_ports{{{MON},expected="no"}})', "unexpected", steps=GREEN_RED),
            stat("Expected ports gone", "Ports that must be open and were really observed not to be.",
                 f"sum(portolan_missing_expected_ports{{{MON}}})", "missing", steps=GREEN_RED),
            stat("Critical and high findings", "Findings that are open, of severity critical or high.",
                 f'sum(portolan_findings{{{MON},severity=~"critical|high"}}) or vector(0)', "findings", steps=GREEN_RED),
            stat("Vantages in quarantine", "Vantages whose canaries answer otherwise than they should: what they see is not believed.",
                 f'sum(portolan_monitor_canary_state{{{MON},state="quarantined"}})', "quarantined", steps=GREEN_ORANGE),
            stat("Oldest complete run", "Age of the last complete run of the monitor that has waited longest for one.",
                 f"max(time() - {last}{{{MON}}})", "age", unit="s"),
            stat("Open ports", "Open ports of all vantages' baselines; one that is seen from two vantages counts twice.",
                 f"sum(portolan_exposed_ports{{{MON}}})", "open"),
        ]), ("Exposure", [
            series("Open ports by class", "From where else a port is open that is open from a vantage.",
                   [(f"sum by (class) (portolan_exposed_ports{{{MON}}})", "{{class}}")], stack=True),
            series("Open ports by expectation", "Whether the rules of the monitors expect the open ports. Nothing is said of those that no rule matches.",
                   [(f"sum by (expected) (portolan_exposed_ports{{{MON}}})", "{{expected}}")]),
            series("Confirmed changes", "Differences from the baseline that were confirmed and told, by kind.",
                   [(f"sum by (change) (increase(portolan_exposure_changes_total{{{MON}}}[$__rate_interval]))", "{{change}}")]),
            series("Findings by severity", "Findings that are open.",
                   [(findings_by("severity", MON), "{{severity}}")]),
            bars("Hosts by port", "On how many targets a port is open from anywhere: the ports with most of them.",
                 f'topk(20, sum by (port) (portolan_exposed_hosts{{{MON},port!="other"}}))', "{{port}}", 8),
            table("Monitors", "Each monitor: what it found, and how current that is.",
                  [(f'sum by (monitor) (portolan_exposed_ports{{{MON},expected="no"}})', "{{monitor}}"),
                   (f"sum by (monitor) (portolan_missing_expected_ports{{{MON}}})", "{{monitor}}"),
                   (f"sum by (monitor) (portolan_vantage_disagreements{{{MON}}})", "{{monitor}}"),
                   (f"max by (monitor) (time() - {last}{{{MON}}})", "{{monitor}}"),
                   (f"min by (monitor) (portolan_monitor_coverage_ratio{{{MON}}})", "{{monitor}}"),
                   (f"max by (monitor) (portolan_monitor_behind_seconds{{{MON}}})", "{{monitor}}")],
                  16, transformations=[
                      {"id": "merge", "options": {}},
                      {"id": "organize", "options": {
                          "excludeByName": {"Time": True},
                          "renameByName": {"monitor": "Monitor", "Value #A": "Unexpected", "Value #B": "Gone", "Value #C": "Disagree",
                                           "Value #D": "Last complete", "Value #E": "Coverage", "Value #F": "Late"}}}],
                  overrides=[column("Last complete", unit="s"), column("Late", unit="s"), column("Coverage", unit="percentunit"),
                             column("Monitor", links=[{"title": "This monitor",
                                                       "url": "/d/portolan-monitor?var-monitor=${__value.raw}&${datasource:queryparam}"}])]),
        ]), ("Trust", [
            series("Differences that became no event", "Transient: the probes did not see it again. Flapping: it changes too often. Abandoned: the probes got no answer.",
                   [(f"sum by (result) (increase(portolan_exposure_settled_total{{{MON}}}[$__rate_interval]))", "{{result}}")], width=8),
            series("Runs by how they ended", "Partial: something was not looked at, so nothing is said to be closed there.",
                   [(f"sum by (state) (increase(portolan_monitor_runs_total{{{MON}}}[$__rate_interval]))", "{{state}}")], width=8),
            series("Open ports without a series", "Beyond the budget of portolan_port_open; the totals count them all the same.",
                   [(f"sum by (monitor) (portolan_series_dropped{{{MON}}})", "{{monitor}}")], width=8),
        ]), ("Notifications", [
            series("Sent and repeated", "What receivers took, and attempts that failed and are made again.",
                   [(f"sum by (receiver) (rate(portolan_webhook_sent_total{{{ALL}}}[$__rate_interval]))", "{{receiver}} sent"),
                    (f"sum by (receiver) (rate(portolan_webhook_retries_total{{{ALL}}}[$__rate_interval]))", "{{receiver}} repeated")], unit="ops", width=8),
            series("Waiting", "Notifications that wait to be delivered, and those that were given up and wait for a person.",
                   [(f"sum by (receiver) (portolan_webhook_pending{{{ALL}}})", "{{receiver}} waiting"),
                    (f"sum by (receiver) (portolan_webhook_dead_letters{{{ALL}}})", "{{receiver}} given up")], width=8),
            series("Age of the oldest", "How long the oldest notification of a receiver has waited.",
                   [(f"max by (receiver) (portolan_webhook_oldest_pending_seconds{{{ALL}}})", "{{receiver}}")], unit="s", width=8),
        ])], [MONITOR_VARIABLE], [CHANGES], since="now-24h")


def monitor():
    canary = f"sum by (monitor, vantage) (portolan_monitor_canary_state{{{MON},state=\"%s\"}})"
    opened = "Value"
    return dashboard(
        "portolan-monitor", "Portolan / Monitor", "One monitor: what each vantage sees, what has changed, and what should not be so.",
        [("Now", [
            stat("Last complete run", "How long ago the last complete run ended.",
                 f"min(time() - portolan_monitor_last_success_timestamp_seconds{{{MON}}})", "age", unit="s"),
            stat("Coverage", "How much of what the last run planned got a verdict.",
                 f"min(portolan_monitor_coverage_ratio{{{MON}}})", "coverage", unit="percentunit",
                 steps=[(None, "red"), (0.9, "orange"), (0.99, "green")]),
            stat("Late", "How late the run is that is due.", f"max(portolan_monitor_behind_seconds{{{MON}}})", "late", unit="s",
                 steps=[(None, "green"), (600, "orange")]),
            stat("Unexpected open ports", "Ports open from a vantage although a rule says that they must not be.",
                 f'sum(portolan_exposed_ports{{{MON},expected="no"}})', "unexpected", steps=GREEN_RED),
            stat("Expected ports gone", "Ports that must be open and were really observed not to be.",
                 f"sum(portolan_missing_expected_ports{{{MON}}})", "missing", steps=GREEN_RED),
            stat("Vantages disagree", "Ports that are open from some vantages and not from others.",
                 f"sum(portolan_vantage_disagreements{{{MON}}})", "disagree"),
        ]), ("Vantages", [
            table("Vantage matrix", "Which port is open from which vantage, for the open ports that have a series. All of them: `portolan exposure MONITOR`.",
                  [(f'label_join(max by (monitor, target, port, service, vantage) (portolan_port_open{{{MON}}}), "endpoint", ":", "target", "port")', "{{endpoint}} {{vantage}}")],
                  14, height=14, transformations=[
                      {"id": "groupingToMatrix", "options": {"rowField": "endpoint", "columnField": "vantage", "valueField": opened,
                                                             "emptyValue": "empty"}},
                      {"id": "organize", "options": {"renameByName": {"endpoint\\vantage": "Endpoint"}}}],
                  overrides=[{"matcher": {"id": "byType", "options": "number"}, "properties": [
                      {"id": "mappings", "value": [{"type": "value", "options": {"1": {"text": "open", "color": "orange"}}}]},
                      {"id": "custom.cellOptions", "value": {"type": "color-text"}}]}]),
            panel("state-timeline", "Canaries", "Whether a vantage still sees: its canaries are ports of which it is known what they are.",
                  [target(canary % "quarantined" + " * 2 + " + canary % "unknown", "{{monitor}} from {{vantage}}")], "short", 10, 6,
                  {"showValue": "never", "mergeValues": True, "legend": {"displayMode": "list", "placement": "bottom"}},
                  defaults={"mappings": [{"type": "value", "options": {
                      "0": {"text": "healthy", "color": "green"}, "1": {"text": "unknown", "color": "gray"},
                      "2": {"text": "quarantined", "color": "red"}}}]}),
            series("Open ports by vantage", "The baseline of each vantage, by from where else its ports are open.",
                   [(f"sum by (vantage, class) (portolan_exposed_ports{{{MON}}})", "{{vantage}}: {{class}}")], width=10),
        ]), ("Changes", [
            series("Confirmed changes", "Told as events; each is an annotation of this dashboard too.",
                   [(f"sum by (vantage, change) (increase(portolan_exposure_changes_total{{{MON}}}[$__rate_interval]))", "{{change}} from {{vantage}}")]),
            series("Being confirmed, and settled without an event", "Differences that are probed again now, and those that were not confirmed.",
                   [(f"sum by (vantage) (portolan_exposure_confirming{{{MON}}})", "confirming from {{vantage}}"),
                    (f"sum by (result) (increase(portolan_exposure_settled_total{{{MON}}}[$__rate_interval]))", "{{result}}")]),
        ]), ("Findings", [
            table("Findings", "Open findings by rule. Rules of service classes (no-clear-text, no-databases-from-outside) go by port number. Each of them, with what to do: `portolan findings MONITOR`.",
                  [(findings_by("monitor, severity, rule", MON), "{{rule}}")], 12,
                  transformations=[HIDE_TIME]),
            series("Findings by rule", "How many findings of each rule are open. Rules of service classes go by port number.",
                   [(findings_by("rule", MON), "{{rule}}")], height=9),
            bars("Hosts by port", "On how many targets a port is open from anywhere; \"other\" is the sum over the ports that are not shown.",
                 f"sum by (port) (portolan_exposed_hosts{{{MON}}})", "{{port}}", 12),
            series("Open ports without a series", "Beyond the budget of portolan_port_open: they are not in the matrix.",
                   [(f"sum by (monitor) (portolan_series_dropped{{{MON}}})", "{{monitor}}")], height=9),
        ]), ("Runs", [
            series("Duration", "How long the last run took, and how far apart runs are.",
                   [(f"max by (monitor) (portolan_monitor_run_duration_seconds{{{MON}}})", "{{monitor}} took"),
                    (f"max by (monitor) (portolan_monitor_interval_seconds{{{MON}}})", "{{monitor}} interval")], unit="s", width=8),
            series("Coverage of runs", "How much of what the last run planned got a verdict.",
                   [(f"min by (monitor) (portolan_monitor_coverage_ratio{{{MON}}})", "{{monitor}}")], unit="percentunit", width=8),
            series("Runs by how they ended", "Missed: the coordinator was down. Skipped: the run before was under way.",
                   [(f"sum by (state) (increase(portolan_monitor_runs_total{{{MON}}}[$__rate_interval]))", "{{state}}")], width=8),
        ])], [MONITOR_VARIABLE], [CHANGES], since="now-24h")


def fleet():
    rate = "[$__rate_interval]"
    sent = f"sum by (agent) (rate(portolan_fleet_probes_sent_total{{{FLEET}}}{rate}))"
    return dashboard(
        "portolan-fleet", "Portolan / Fleet", "Agents and the coordinator: rates, losses, limits and what waits.",
        [("Now", [
            stat("Live agents", "Agents that have called within the lease term.", f'sum(portolan_agents{{{FLEET},live="true"}})', "live"),
            stat("Silent agents", "Agents that have not.", f'sum(portolan_agents{{{FLEET},live="false"}})', "silent", steps=GREEN_RED),
            stat("Limited agents", "Agents that something limits: files, their spool, the machine. Which and why: `portolan agents`.",
                 f"sum(portolan_fleet_limited{{{FLEET}}})", "limited", steps=GREEN_ORANGE),
            stat("Probes a second", "SYNs of all agents, as they say themselves.", f"sum(rate(portolan_fleet_probes_sent_total{{{FLEET}}}{rate}))", "probes", unit="pps"),
            stat("Store", "1: what is reported can be written. 0: /readyz says why not.", f"min(portolan_store_healthy{{{ALL}}})", "healthy",
                 steps=[(None, "red"), (1, "green")]),
            stat("Rejected batches", "Malformed batches of results in the last minutes: a bug, or somebody who pretends to be an agent.",
                 f"sum(increase(portolan_ingest_rejected_batches_total{{{ALL}}}{rate}))", "rejected", steps=GREEN_RED),
        ]), ("Agents", [
            series("Agents by vantage", "Live and silent agents at each vantage.",
                   [(f"sum by (vantage, live) (portolan_agents{{{FLEET}}})", "{{vantage}} live={{live}}")], width=8),
            series("Probes sent", "SYNs a second, retries included.", [(sent, "{{agent}}")], unit="pps", width=8),
            series("Own limit of rate", "What an agent measured while it had work, and what it will not exceed; 0: no limit of its own.",
                   [(f"max by (agent) (portolan_fleet_measured_rate{{{FLEET}}})", "{{agent}} measured"),
                    (f"max by (agent) (portolan_fleet_max_rate{{{FLEET}}})", "{{agent}} limit")], unit="pps", width=8),
            series("In flight", "Probes that wait for an answer, and how many can.",
                   [(f"sum by (agent) (portolan_fleet_in_flight{{{FLEET}}})", "{{agent}}"),
                    (f"sum by (agent) (portolan_fleet_window{{{FLEET}}})", "{{agent}} window")], width=8),
            series("Repeated probes", "Of the probes sent, how many repeat one that met silence: losses, and what is filtered.",
                   [(f"sum by (agent) (rate(portolan_fleet_retries_total{{{FLEET}}}{rate})) / ({sent} > 0) or {sent} * 0", "{{agent}}")],
                   unit="percentunit", width=8),
            series("Failures of their own", "Probes that failed on the agent's machine (files, ports, memory) and were tried again.",
                   [(f"sum by (agent) (rate(portolan_fleet_local_failures_total{{{FLEET}}}{rate}))", "{{agent}}")], unit="ops", width=8),
            series("Outcomes", "What agents found out, by state; owed ones are probed again.",
                   [(f"sum by (state) (rate(portolan_fleet_outcomes_total{{{FLEET}}}{rate}))", "{{state}}")], unit="ops", width=8, stack=True),
            series("Spool", "How full the memory for results is that the coordinator has not acknowledged. Above three quarters an agent stops probing.",
                   [(f"max by (agent) (portolan_fleet_spool_bytes{{{FLEET}}} / (portolan_fleet_spool_limit_bytes{{{FLEET}}} > 0)) or max by (agent) (portolan_fleet_spool_bytes{{{FLEET}}} * 0)", "{{agent}}")],
                   unit="percentunit", width=8),
            series("Last call", "How long ago each agent called.",
                   [(f"max by (agent) (time() - portolan_fleet_last_seen_timestamp_seconds{{{FLEET}}})", "{{agent}}")], unit="s", width=8),
            series("Work held", "Positions that agents are to probe.",
                   [(f"sum by (agent) (portolan_fleet_leased_positions{{{FLEET}}})", "{{agent}}")], width=8),
            series("Leases", "Expired: an agent died or lost its way while it worked; its work is done again.",
                   [(f"sum by (event) (rate(portolan_leases_total{{{ALL}}}{rate}))", "{{event}}")], unit="ops", width=8),
            series("Connection table", "How full the connection tracking of an agent's machine is, for agents that are scraped. Beyond it probes are lost and look filtered.",
                   [(f"max by (instance) (portolan_agent_conntrack_entries{{{ALL}}} / (portolan_agent_conntrack_max_entries{{{ALL}}} > 0))", "{{instance}}")],
                   unit="percentunit", width=8),
        ]), ("Coordinator", [
            series("Queues", "Tasks that wait: control (the one thread that decides), read (results), plan (new scans), compact.",
                   [(f"sum by (queue) (portolan_queue_depth{{{ALL}}})", "{{queue}}")], width=8),
            series("Calls", "Calls of agents that wait for news, streams of results, and calls that watch a scan.",
                   [(f"sum(portolan_rpc_parked{{{ALL}}})", "parked"), (f"sum(portolan_rpc_report_streams{{{ALL}}})", "report streams"),
                    (f"sum(portolan_rpc_watchers{{{ALL}}})", "watchers")], width=8),
            series("Not written yet", "Results in memory that are not committed, and bytes that wait to be written.",
                   [(f"sum(portolan_ingest_bytes{{{ALL}}})", "ingest"), (f"sum(portolan_store_backlog_bytes{{{ALL}}})", "store")], unit="bytes", width=8),
            series("Commits", "How long a commit of the database takes.",
                   [(f"histogram_quantile(0.99, sum by (le) (rate(portolan_store_commit_seconds_bucket{{{ALL}}}{rate}))) >= 0 or vector(0)", "99 %"),
                    (f"histogram_quantile(0.5, sum by (le) (rate(portolan_store_commit_seconds_bucket{{{ALL}}}{rate}))) >= 0 or vector(0)", "median")], unit="s", width=8),
            series("Database", "Size of the database with its write-ahead log.", [(f"sum by (instance) (portolan_store_database_bytes{{{ALL}}})", "{{instance}}")], unit="bytes", width=8),
            series("Memory", "Resident memory of what is scraped.", [(f"sum by (job, instance) (process_resident_memory_bytes{{{ALL}}})", "{{job}} {{instance}}")], unit="bytes", width=8),
            series("CPU", "Cores that are used by what is scraped.", [(f"sum by (job, instance) (rate(process_cpu_seconds_total{{{ALL}}}{rate}))", "{{job}} {{instance}}")], width=8),
            series("Files", "Open file descriptors, of those that may be open.",
                   [(f"max by (job, instance) (process_open_fds{{{ALL}}} / process_max_fds{{{ALL}}})", "{{job}} {{instance}}")], unit="percentunit", width=8),
            series("Batches", "Batches of results that agents sent.", [(f"sum(rate(portolan_ingest_batches_total{{{ALL}}}{rate}))", "batches")], unit="ops", width=8),
        ])], [VANTAGE_VARIABLE])


def scans():
    rate = "[$__rate_interval]"
    return dashboard(
        "portolan-scans", "Portolan / Scans", "Scans that run, and what becomes of the positions.",
        [("Now", [
            stat("Running", "Scans that are under way.", f'sum(portolan_scans{{{ALL},state="running"}})', "running"),
            stat("Paused", "Scans that an operator has paused.", f'sum(portolan_scans{{{ALL},state="paused"}})', "paused", steps=GREEN_ORANGE),
            stat("Runs of monitors", "Runs of monitors that are under way.", f"sum(portolan_monitor_runs_active{{{ALL}}})", "active"),
            stat("Runs that wait", "Runs of monitors that are due, while as many as may be are under way.",
                 f"sum(portolan_monitor_runs_waiting{{{ALL}}})", "waiting", steps=GREEN_ORANGE),
            stat("Confirmations", "Scans under way that probe differences again.", f"sum(portolan_confirmation_scans{{{ALL}}})", "confirming"),
            stat("Leases", "Leases that agents hold.", f"sum(portolan_leases{{{ALL}}})", "leases"),
        ]), ("Progress", [
            panel("bargauge", "Progress", "How much of each scan is done.",
                  [target(f"max by (scan) (portolan_scan_progress_ratio{{{SCAN}}})", "{{scan}}", instant=True)], "percentunit", 12, 9,
                  {"orientation": "horizontal", "displayMode": "gradient", "reduceOptions": {"calcs": ["lastNotNull"]}},
                  defaults={"min": 0, "max": 1}),
            series("Progress over time", "How much of each scan is done.", [(f"max by (scan) (portolan_scan_progress_ratio{{{SCAN}}})", "{{scan}}")],
                   unit="percentunit", height=9),
            series("Rate of scans", "Positions counted a second, of each scan.", [(f"max by (scan) (portolan_scan_probes_per_second{{{SCAN}}})", "{{scan}}")], unit="ops"),
            series("Scans by state", "Scans that have not finished.", [(f"sum by (state) (portolan_scans{{{ALL}}})", "{{state}}")]),
        ]), ("Outcomes", [
            series("Outcomes", "Positions whose outcome was counted, by state.", [(f"sum by (state) (rate(portolan_probes_total{{{ALL}}}{rate}))", "{{state}}")], unit="ops", stack=True),
            series("Probes beyond the plan", "Sent by agents to confirm what they saw.", [(f"sum(rate(portolan_extra_probes_total{{{ALL}}}{rate}))", "extra")], unit="ops"),
            series("Chunks", "Chunks of outcomes, by what became of them. Fenced: the range had been given to another agent.",
                   [(f"sum by (verdict) (rate(portolan_chunks_total{{{ALL}}}{rate}))", "{{verdict}}")], unit="ops"),
            series("Open ports", "Open ports taken in as rows, and those of leases that were no longer valid.",
                   [(f"sum(rate(portolan_ingest_rows_total{{{ALL}}}{rate}))", "taken in"), (f"sum(rate(portolan_ingest_rows_refused_total{{{ALL}}}{rate}))", "refused")], unit="ops"),
            series("Findings about hosts", "Hosts that answer everywhere, SYN proxies, hosts that stopped answering.",
                   [(f"sum by (kind) (increase(portolan_host_findings_total{{{ALL}}}{rate}))", "{{kind}}")]),
            series("Groups brought into their final form", "How fast finished work is packed.",
                   [(f"sum(rate(portolan_store_compacted_groups_total{{{ALL}}}{rate}))", "groups")], unit="ops"),
        ])], [SCAN_VARIABLE], refresh="5s", since="now-1h")


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "dashboards"
    for make in (exposure, monitor, fleet, scans):
        made = make()
        (out / f"{made['uid']}.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
