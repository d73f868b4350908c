#!/bin/sh
# Writes what kustomize cannot take from other files: the PrometheusRule, of the rules that a plain Prometheus reads. Run it after a change of
# deploy/prometheus/rules; `./dev k8s-check` fails when it was not: generate.sh [FILE]
set -eu
cd "$(dirname "$0")"
out=${1:-components/monitoring/prometheus-rule.yaml}
{
  cat <<'YAML'
# Made by deploy/kubernetes/generate.sh of deploy/prometheus/rules/portolan.rules.yml: change that.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: portolan
  labels:
    app.kubernetes.io/part-of: portolan
spec:
YAML
  sed 's/^./  &/' ../prometheus/rules/portolan.rules.yml
} >"$out"
