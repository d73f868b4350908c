// Each policy, and the schemas, must refuse what they are there to refuse: a rendered overlay with one thing broken.
import assert from 'node:assert/strict';
import test from 'node:test';
import {makeContext, policies, policyErrors} from './lib/context.js';
import {named} from './lib/manifests.js';
import {schemaErrors} from './lib/schema.js';
import {composeErrors, readCompose} from './policies/compose.js';

const context = makeContext();
const several = context.rendered['several-vantages'];

const agent = (objects) => named(objects, 'Deployment', 'portolan-agent-dmz');
const coordinator = (objects) => named(objects, 'StatefulSet', 'portolan-coordinator');
const podOf = (object) => object.spec.template.spec;
const containerOf = (object) => podOf(object).containers[0];
const replaceArg = (object, from, to) => {
  const {args} = containerOf(object);
  const i = args.findIndex((arg) => arg.startsWith(from));
  assert.notEqual(i, -1, from);
  args.splice(i, 1, ...(to === null ? [] : [to]));
};
const remove = (objects, kind, name) => {
  const object = named(objects, kind, name);
  assert.ok(object, `${kind} ${name}`);
  objects.splice(objects.indexOf(object), 1);
};

// policy, what is broken, how
const broken = [
  ['restricted pod security', 'root', (o) => { podOf(agent(o)).securityContext.runAsUser = 0; }],
  ['restricted pod security', 'a user of the image', (o) => { delete podOf(agent(o)).securityContext.runAsUser; }],
  ['restricted pod security', 'perhaps root', (o) => { delete podOf(agent(o)).securityContext.runAsNonRoot; }],
  ['restricted pod security', 'no seccomp', (o) => { podOf(agent(o)).securityContext.seccompProfile = {type: 'Unconfined'}; }],
  ['restricted pod security', 'a capability', (o) => { containerOf(agent(o)).securityContext.capabilities.add = ['NET_RAW']; }],
  ['restricted pod security', 'capabilities kept', (o) => { delete containerOf(agent(o)).securityContext.capabilities; }],
  ['restricted pod security', 'escalation', (o) => { delete containerOf(agent(o)).securityContext.allowPrivilegeEscalation; }],
  ['restricted pod security', 'a writable root', (o) => { containerOf(agent(o)).securityContext.readOnlyRootFilesystem = false; }],
  ['restricted pod security', 'an init container that is privileged', (o) => { podOf(agent(o)).initContainers = [{name: 'tune', image: 'portolan-agent:0.1.0', securityContext: {privileged: true}}]; }],
  ['restricted pod security', 'the host\'s network', (o) => { podOf(agent(o)).hostNetwork = true; }],
  ['restricted pod security', 'a host path', (o) => { podOf(agent(o)).volumes.push({name: 'proc', hostPath: {path: '/proc'}}); }],
  ['restricted pod security', 'a sysctl that is not safe', (o) => { podOf(agent(o)).securityContext.sysctls.push({name: 'net.core.somaxconn', value: '1024'}); }],
  ['restricted pod security', 'a namespace that enforces nothing', (o) => { named(o, 'Namespace', 'portolan').metadata.labels = {}; }],
  ['no token, no service links', 'token of the pod', (o) => { delete podOf(coordinator(o)).automountServiceAccountToken; }],
  ['no token, no service links', 'token of the account', (o) => { delete named(o, 'ServiceAccount', 'portolan-coordinator').automountServiceAccountToken; }],
  ['no token, no service links', 'service links', (o) => { podOf(coordinator(o)).enableServiceLinks = true; }],
  ['probes', 'none', (o) => { delete containerOf(agent(o)).livenessProbe; }],
  ['probes', 'a path that does not exist', (o) => { containerOf(agent(o)).readinessProbe.httpGet.path = '/healthz'; }],
  ['probes', 'liveness that depends on the coordinator', (o) => { containerOf(agent(o)).livenessProbe.httpGet.path = '/readyz'; }],
  ['probes', 'another port', (o) => { containerOf(coordinator(o)).startupProbe.httpGet.port = 'grpc'; }],
  ['resources', 'no request', (o) => { delete containerOf(agent(o)).resources.requests.cpu; }],
  ['resources', 'no memory limit', (o) => { delete containerOf(agent(o)).resources.limits; }],
  ['resources', 'a CPU limit', (o) => { containerOf(agent(o)).resources.limits.cpu = '1'; }],
  ['resources', 'a request above the limit', (o) => { containerOf(agent(o)).resources.requests.memory = '1Gi'; }],
  ['image', 'latest', (o) => { containerOf(agent(o)).image = 'portolan-agent:latest'; }],
  ['image', 'no tag', (o) => { containerOf(agent(o)).image = 'registry.example.org:5000/portolan-agent'; }],
  ['image', 'another version', (o) => { containerOf(agent(o)).image = 'portolan-agent:0.0.9'; }],
  ['grace period', 'shorter than the drain', (o) => { podOf(agent(o)).terminationGracePeriodSeconds = 20; }],
  ['grace period', 'a drain that became longer', (o) => { replaceArg(agent(o), '--grace', '--grace=2m'); }],
  ['grace period', 'not told', (o) => { replaceArg(agent(o), '--grace', null); }],
  ['grace period', 'the coordinator\'s', (o) => { podOf(coordinator(o)).terminationGracePeriodSeconds = 10; }],
  ['files are updated', 'a subPath', (o) => { containerOf(agent(o)).volumeMounts.find(({name}) => name === 'scope').subPath = 'allow'; }],
  ['one coordinator', 'two', (o) => { coordinator(o).spec.replicas = 2; }],
  ['one coordinator', 'no claim', (o) => { coordinator(o).spec.volumeClaimTemplates[0].metadata.name = 'other'; }],
  ['agents', 'no vantage', (o) => { containerOf(agent(o)).env = containerOf(agent(o)).env.filter(({name}) => name !== 'PORTOLAN_VANTAGE'); }],
  ['agents', 'one vantage twice', (o) => { containerOf(agent(o)).env.find(({name}) => name === 'PORTOLAN_VANTAGE').value = 'office'; }],
  ['agents', 'a name that is not the pod\'s', (o) => { containerOf(agent(o)).env.find(({name}) => name === 'PORTOLAN_NAME').valueFrom.fieldRef.fieldPath = 'spec.nodeName'; }],
  ['agents', 'no cap on the rate', (o) => { replaceArg(agent(o), '--max-rate', null); }],
  ['agents', 'a rate that fills the table', (o) => { replaceArg(agent(o), '--max-rate', '--max-rate=2000'); }],
  ['agents', 'two on a node', (o) => { delete podOf(agent(o)).affinity; }],
  ['agents', 'apart within a vantage only', (o) => { podOf(agent(o)).affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels = {'portolan.example.org/vantage': 'dmz'}; }],
  ['agents', 'a rollout that waits for itself', (o) => { delete agent(o).spec.strategy; }],
  ['selectors match', 'a workload\'s', (o) => { agent(o).spec.template.metadata.labels['app.kubernetes.io/name'] = 'agent'; }],
  ['selectors match', 'each other\'s pods', (o) => { agent(o).spec.selector.matchLabels = {'app.kubernetes.io/name': 'portolan-agent'}; }],
  ['selectors match', 'spread of others', (o) => { podOf(agent(o)).topologySpreadConstraints[0].labelSelector.matchLabels = {'portolan.example.org/vantage': 'office'}; }],
  ['selectors match', 'a service\'s', (o) => { named(o, 'Service', 'portolan-coordinator').spec.selector = {app: 'portolan'}; }],
  ['selectors match', 'a service\'s port', (o) => { named(o, 'Service', 'portolan-coordinator').spec.ports[0].targetPort = 'gprc'; }],
  ['selectors match', 'a network policy\'s', (o) => { named(o, 'NetworkPolicy', 'portolan-agent').spec.podSelector.matchLabels = {app: 'agent'}; }],
  ['selectors match', 'a network policy\'s port', (o) => { named(o, 'NetworkPolicy', 'portolan-agent').spec.ingress[0].ports[0].port = 'metrics'; }],
  ['selectors match', 'a policy on what agents connect to', (o) => { named(o, 'NetworkPolicy', 'portolan-agent').spec.policyTypes.push('Egress'); }],
  ['selectors match', 'a service monitor\'s', (o) => { named(o, 'ServiceMonitor', 'portolan-coordinator').spec.selector.matchLabels = {app: 'portolan'}; }],
  ['selectors match', 'a pod monitor\'s port', (o) => { named(o, 'PodMonitor', 'portolan-agent').spec.podMetricsEndpoints[0].port = 'metrics'; }],
  ['selectors match', 'labels of ours that Prometheus replaces', (o) => { delete named(o, 'ServiceMonitor', 'portolan-coordinator').spec.endpoints[0].honorLabels; }],
  ['selectors match', 'a stateful set\'s service', (o) => { coordinator(o).spec.serviceName = 'other'; }],
  ['what is named exists', 'ConfigMap', (o) => remove(o, 'ConfigMap', 'portolan-monitors')],
  ['what is named exists', 'ServiceAccount', (o) => remove(o, 'ServiceAccount', 'portolan-agent-dmz')],
  ['what is named exists', 'Secret', (o) => { podOf(agent(o)).volumes.find(({name}) => name === 'tls').secret.secretName = 'agent-tls'; }],
  ['what is named exists', 'volume', (o) => { podOf(agent(o)).volumes = []; }],
  ['what is named exists', 'a file of a ConfigMap', (o) => { delete named(o, 'ConfigMap', 'portolan-agent-scope-dmz').data.deny; }],
  ['what is named exists', 'a file of a Secret', (o) => { containerOf(agent(o)).env.find(({name}) => name === 'PORTOLAN_TLS_CA').value = '/etc/portolan/tls/ca.pem'; }],
  ['what is named exists', 'a path in no volume', (o) => { replaceArg(agent(o), '--deny-file', '--deny-file=/etc/scope/deny'); }],
  ['what is named exists', 'env of a ConfigMap', (o) => { containerOf(agent(o)).env[0] = {name: 'PORTOLAN_VANTAGE', valueFrom: {configMapKeyRef: {name: 'x', key: 'y'}}}; }],
  ['small enough to apply', 'all dashboards in one', (o) => { named(o, 'ConfigMap', 'portolan-monitors').data.more = 'x'.repeat(300_000); }],
  ['flags and variables exist', 'a flag', (o) => { containerOf(agent(o)).args.push('--max-rat=5'); }],
  ['flags and variables exist', 'a variable', (o) => { containerOf(agent(o)).env.push({name: 'PORTOLAN_SITE', value: 'x'}); }],
  ['flags and variables exist', 'another program\'s flag', (o) => { containerOf(coordinator(o)).args.push('--vantage=x'); }],
  ['flags and variables exist', 'a command', (o) => { containerOf(agent(o)).command = ['sh', '-c']; }],
  ['ports agree', 'listening elsewhere', (o) => { replaceArg(coordinator(o), '--listen', '--listen=0.0.0.0:7000'); }],
  ['ports agree', 'dialling another port', (o) => { replaceArg(agent(o), '--coordinator', '--coordinator=portolan-coordinator:7412'); }],
  ['ports agree', 'dialling another service', (o) => { replaceArg(agent(o), '--coordinator', '--coordinator=coordinator:7411'); }],
  ['mutual TLS', 'a file missing', (o) => { containerOf(agent(o)).env = containerOf(agent(o)).env.filter(({name}) => name !== 'PORTOLAN_TLS_CA'); }],
  ['mutual TLS', 'without', (o) => { containerOf(agent(o)).args.push('--insecure'); }],
];

test('the overlays hold every policy', () => {
  for (const [overlay, objects] of Object.entries(context.rendered)) assert.deepEqual(policyErrors(objects, context), [], overlay);
});

test('every policy is broken by some case', () => {
  assert.deepEqual(Object.keys(policies).filter((name) => !broken.some(([policy]) => policy === name)), []);
});

for (const [policy, what, change] of broken) {
  test(`${policy}: ${what}`, () => {
    const objects = structuredClone(several);
    change(objects);
    const errors = policies[policy]({...context, objects});
    assert.notDeepEqual(errors, []);
  });
}

test('a sysctl of the network with the host\'s network', () => {
  const objects = structuredClone(context.rendered['host-network']);
  podOf(named(objects, 'Deployment', 'portolan-agent')).securityContext.sysctls = [{name: 'net.ipv4.ip_local_port_range', value: '1024 65535'}];
  assert.match(policies['restricted pod security']({...context, objects}).join(), /the kubelet refuses it/);
});

// Unknown fields, wrong types and missing fields, of Kubernetes and of custom resources; one compilation for all.
test('schemas are strict', () => {
  const cases = [
    ['/spec/template/spec/containers/0/readinesProbe', agent, (o) => { containerOf(o).readinesProbe = {}; }],
    ['/spec/replicas', coordinator, (o) => { o.spec.replicas = '1'; }],
    ['selector', (o) => structuredClone(agent(o)), (o) => { delete o.spec.selector; }],
    ['/spec/endpoints/0/honourLabels', (o) => named(o, 'ServiceMonitor', 'portolan-coordinator'), (o) => { o.spec.endpoints[0].honourLabels = true; }],
    ['/spec/groups/0/rules/0/recrod', (o) => named(o, 'PrometheusRule', 'portolan'), (o) => { o.spec.groups[0].rules[0].recrod = 'x'; }],
    ['no such kind', (o) => named(o, 'PodMonitor', 'portolan-agent'), (o) => { o.kind = 'PodsMonitor'; }],
    ['/spec/podSelectors', (o) => named(o, 'NetworkPolicy', 'portolan-agent'), (o) => { o.spec.podSelectors = {}; }],
  ];
  const originals = structuredClone(several);
  const objects = cases.map(([, choose, change]) => {
    const object = structuredClone(choose(originals));
    change(object);
    return object;
  });
  const errors = schemaErrors(objects);
  for (const [i, [expected]] of cases.entries()) {
    assert.ok(errors.some((text) => text.startsWith(`${objects[i].kind} ${objects[i].metadata.name}: `) && text.includes(expected)), `${expected}: ${errors.join('\n')}`);
  }
});

const brokenCompose = [
  ['a flag', /--rate: not in/, ({services}) => { services['agent-dmz'].command.push('--rate=5'); }],
  ['a variable', /PORTOLAN_SITE: not in/, ({services}) => { services['agent-dmz'].environment.PORTOLAN_SITE = 'x'; }],
  ['no TLS', /PORTOLAN_TLS_KEY is missing/, ({services}) => { delete services.coordinator.environment.PORTOLAN_TLS_KEY; }],
  ['another version', /this is version/, ({services}) => { services.coordinator.image = 'portolan-coordinator:0.0.9'; }],
  ['latest', /name a version/, ({services}) => { services.grafana.image = 'grafana/grafana:latest'; }],
  ['a writable root', /read_only/, ({services}) => { services.prometheus.read_only = false; }],
  ['capabilities', /cap_drop/, ({services}) => { delete services.coordinator.cap_drop; }],
  ['a short grace period', /stop_grace_period/, ({services}) => { services['agent-dmz'].stop_grace_period = '20s'; }],
  ['a volume', /volume certs/, ({services}) => { services.coordinator.volumes.push('certs:/x'); }],
  ['a file', /does not exist/, ({services}) => { services.prometheus.volumes.push('./prom.yml:/x'); }],
  ['a network', /no network/, ({services}) => { services.coordinator.networks = ['default']; }],
  ['a port for everybody', /for everybody/, ({services}) => { services.prometheus.ports = ['9090:9090']; }],
];
for (const [what, expected, change] of brokenCompose) {
  test(`compose: ${what}`, () => {
    const compose = structuredClone(readCompose());
    assert.deepEqual(composeErrors(compose, context), []);
    change(compose);
    assert.match(composeErrors(compose, context).join('\n'), expected);
  });
}
