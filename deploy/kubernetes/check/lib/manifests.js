// Rendered manifests, and what checks ask of them again and again.
import {execFileSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseAllDocuments} from 'yaml';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');  // deploy/kubernetes
export const repository = join(root, '..', '..');

export function overlays() {
  return readdirSync(join(root, 'overlays')).sort();
}

export function parse(text) {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  }).filter((object) => object !== null);
}

export function render(overlay) {
  return parse(execFileSync('kubectl', ['kustomize', join(root, 'overlays', overlay)], {encoding: 'utf8', maxBuffer: 64 << 20}));
}

export function identity(object) {
  return `${object?.kind} ${object?.metadata?.name}`;
}

export function of(objects, ...kinds) {
  return objects.filter((object) => kinds.includes(object.kind));
}

export function named(objects, kind, name) {
  return objects.find((object) => object.kind === kind && object.metadata.name === name);
}

// What runs pods: {object, id, template, pod (its spec), labels, containers}.
export function workloads(objects) {
  return of(objects, 'Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob').map((object) => {
    const spec = object.kind === 'CronJob' ? object.spec.jobTemplate.spec : object.spec;
    const pod = spec.template.spec;
    return {
      object, id: identity(object), template: spec.template, pod, labels: spec.template.metadata?.labels ?? {},
      containers: [...(pod.initContainers ?? []), ...(pod.containers ?? [])],
    };
  });
}

// Does a label selector match? Without any term it matches everything, as Kubernetes has it.
export function matches(selector, labels) {
  const term = ({key, operator, values}) => {
    if (operator === 'In') return values.includes(labels[key]);
    if (operator === 'NotIn') return !values.includes(labels[key]);
    if (operator === 'Exists') return key in labels;
    if (operator === 'DoesNotExist') return !(key in labels);
    throw new Error(`operator ${operator}: not one of a label selector's`);
  };
  return Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
      (selector.matchExpressions ?? []).every(term);
}

// "portolan-agent" of "registry.example.org/team/portolan-agent:0.1.0"
export function programOf(container) {
  return (container.image ?? '').split('/').pop().split(/[:@]/)[0];
}

// --name=value and --name value as [name, value]; a flag alone has an empty value. Kubernetes replaces $(NAME) by the environment's.
export function flagsOf(container) {
  const env = Object.fromEntries((container.env ?? []).map(({name, value}) => [name, value]));
  const args = (container.args ?? []).map((arg) => String(arg).replace(/\$\((\w+)\)/g, (all, name) => env[name] ?? all));
  const flags = [];
  for (let i = 0; i < args.length; ++i) {
    const [, name, , value] = /^(--?[^=]*)(=(.*))?$/s.exec(args[i]) ?? [null, args[i]];
    if (value === undefined && i + 1 < args.length && !args[i + 1].startsWith('-')) {
      flags.push([name, args[++i]]);
    } else {
      flags.push([name, value ?? '']);
    }
  }
  return flags;
}

export function flag(container, name) {
  return flagsOf(container).find(([other]) => other === name)?.[1];
}

// "25s", "1m30s" in seconds.
export function seconds(duration) {
  const unit = {ms: 0.001, s: 1, m: 60, h: 3600};
  return [...String(duration).matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce((sum, [, n, u]) => sum + Number(n) * unit[u], 0);
}

// "256Mi", "1Gi", "250m" as a number.
export function quantity(text) {
  const [, n, unit] = /^([\d.]+)(\w*)$/.exec(String(text));
  const factor = {'': 1, m: 0.001, k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40}[unit];
  return Number(n) * factor;
}
