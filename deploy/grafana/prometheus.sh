# shellcheck shell=bash
# After live.sh: a Prometheus for a while. $here is deploy/grafana.
# shellcheck disable=SC2034,SC2154  # what is read and set is the script's that reads this

# A list of YAML of its arguments.
list() {
  local all="" one
  for one in "$@"; do all+="${all:+, }\"$one\""; done
  echo "[$all]"
}

# start_prometheus NAMESPACE HOST:PORT: scrapes ${coordinators[@]} and ${agents[@]}, evaluates the rules; $address is where it listens.
# Its rates need 20 s.
rate_interval=20s
start_prometheus() {
  cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: ["$here/../prometheus/rules/*.rules.yml"]
scrape_configs:
  - job_name: portolan-coordinator
    static_configs: [{targets: $(list "${coordinators[@]}")}]
  - job_name: portolan-agent
    static_configs: [{targets: $(list ${agents[@]+"${agents[@]}"})}]
YAML
  start "$1" prometheus prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="$2" --log.level=info
  address=$(wait_for_log prometheus 'Listening on.*address=([0-9.]+:[0-9]+)')
}
