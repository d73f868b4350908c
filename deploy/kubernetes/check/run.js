// What the YAML says is what runs: the rendered overlays' command lines, environment, volumes and users, started as real processes in network namespaces
// without a way out, complete scans of hosts that are in there too. Certificates are those that components/tls/certificates.yaml asks cert-manager for.
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {Cluster, eventually} from './lib/cluster.js';
import {programsFolder} from './lib/context.js';
import {flag, named, of, parse, programOf, render, root} from './lib/manifests.js';

const clusters = [['quickstart', 'host-network'], ['several-vantages']];
const targets = '198.19.0.0/28';
const listening = [['198.19.0.2', '8080'], ['198.19.0.9', '8443']];
const ports = '8080,8443,9000';

// The Secrets of the example Certificates, by name; made by openssl.
function certificates(folder) {
  const file = (name) => join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, {stdio: ['ignore', 'ignore', 'pipe']});
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-days', '1', '-subj', '/CN=portolan-ca', '-keyout', file('ca.key'), '-out', file('ca.crt'));
  const wanted = of(parse(readFileSync(join(root, 'components/tls/certificates.yaml'), 'utf8')), 'Certificate').filter(({spec}) => !spec.isCA);
  return Object.fromEntries(wanted.map(({spec}) => {
    const sans = [['URI', spec.uris], ['DNS', spec.dnsNames], ['IP', spec.ipAddresses]].flatMap(([kind, names]) => (names ?? []).map((name) => `${kind}:${name}`));
    writeFileSync(file('sans'), `subjectAltName=${sans.join(',')}\n`);
    openssl('req', ...key, '-subj', `/CN=${spec.commonName}`, '-keyout', file('tls.key'), '-out', file('tls.csr'));
    openssl('x509', '-req', '-in', file('tls.csr'), '-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '1', '-extfile', file('sans'),
      '-out', file('tls.crt'));
    return [spec.secretName, Object.fromEntries(['tls.crt', 'tls.key', 'ca.crt'].map((name) => [name, readFileSync(file(name), 'utf8')]))];
  }));
}

const lines = (text) => text.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

function expect(holds, what) {
  if (!holds) throw new Error(what);
  console.log(`ok   ${what}`);
}

async function story(overlays, cluster, folder, secrets) {
  cluster.start();
  for (const [address, port] of listening) {
    cluster.background(cluster.node, 'openssl', 's_server', '-quiet', '-accept', `${address}:${port}`, '-nocert', '-cipher', 'aNULL:@SECLEVEL=0');
  }
  const pods = cluster.pods.filter(({helper}) => !helper);
  const coordinator = pods.find(({container}) => programOf(container) === 'portolan-coordinator');
  const agents = pods.filter(({container}) => programOf(container) === 'portolan-agent');
  for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    for (const pod of pods) {
      await eventually(`${pod.name}: ${name}`, 30, () => {
        if (pod.exit !== undefined) throw new Error(`it has ended: ${pod.exit}`);
        return cluster.probe(pod, name);
      });
    }
  }
  expect(true, `${pods.length} pods pass their probes: ${pods.map(({name}) => name).join(', ')}`);

  for (const {name, process, spec, container} of pods) {
    const status = Object.fromEntries(readFileSync(`/proc/${process.pid}/status`, 'utf8').split('\n').map((line) => line.split(/:\s+/)));
    const rootMount = readFileSync(`/proc/${process.pid}/mountinfo`, 'utf8').split('\n').map((line) => line.split(' ')).find(([, , , , at]) => at === '/');
    const wanted = container.securityContext.readOnlyRootFilesystem ? 'ro' : 'rw';
    if (!status.Uid.startsWith(`${spec.securityContext.runAsUser}\t`) || /[1-9a-f]/.test(status.CapEff + status.CapBnd) || status.NoNewPrivs !== '1' ||
        !rootMount[5].split(',').includes(wanted)) {
      throw new Error(`${name}: uid ${status.Uid}, capabilities ${status.CapEff} ${status.CapBnd}, NoNewPrivs ${status.NoNewPrivs}, root ${rootMount[5]}`);
    }
  }
  expect(true, 'they run as the manifests\' user, without a capability, on a root that is read-only');

  // As an operator over `kubectl port-forward`.
  const {'tls.crt': cert, 'tls.key': key, 'ca.crt': ca} = secrets['portolan-operator-tls'];
  for (const [name, text] of Object.entries({'op.crt': cert, 'op.key': key, 'op-ca.crt': ca})) writeFileSync(join(folder, name), text, {mode: 0o600});
  const portolan = (...args) => cluster.exec(coordinator.netns, 'timeout', '90', join(programsFolder(), 'portolan'), ...args, '--coordinator', '127.0.0.1:7411',
    '--tls-cert', join(folder, 'op.crt'), '--tls-key', join(folder, 'op.key'), '--tls-ca', join(folder, 'op-ca.crt'));

  const listed = lines(portolan('agents', 'list', '--json').out);
  for (const pod of agents) {
    const agent = listed.find(({name}) => name === pod.name);
    const vantage = pod.container.env.find(({name}) => name === 'PORTOLAN_VANTAGE').value;
    if (agent?.vantage !== vantage || !agent.live || agent.engine !== 'epoll') throw new Error(`agent ${pod.name} of ${vantage}: ${JSON.stringify(agent)}`);
    if (Number(agent.max_rate) !== Number(flag(pod.container, '--max-rate'))) throw new Error(`agent ${pod.name}: rate ${agent.max_rate}`);
  }
  expect(listed.length === agents.length, `the coordinator knows ${agents.length} agents with the manifests' names, vantages and rates`);

  const vantages = [...new Set(listed.map(({vantage}) => vantage))].sort();
  const scan = (...more) => portolan('scan', targets, '-p', ports, '--each-vantage', '--vantage', vantages.join(','), '--timeout', '500ms', '--json', ...more);
  const open = (result) => lines(result.out).filter(({state}) => state === 'open').map((row) => `${row.vantage ?? ''} ${row.target ?? row.ip}:${row.port}`).sort();
  const expected = vantages.flatMap((vantage) => listening.map(([address, port]) => `${vantage} ${address}:${port}`)).sort();
  const first = scan();
  if (first.code !== 0 || open(first).join() !== expected.join()) throw new Error(`scan: exit ${first.code}, open ${open(first).join(', ')}: ${first.err}`);
  expect(true, `a scan from ${vantages.join(' and ')} sees the ${expected.length} open ports, and no more`);

  const monitors = () => lines(portolan('monitor', 'list', '--json').out).map((row) => row.name ?? row.monitor?.name ?? '').filter(Boolean).sort();
  await eventually('the monitor of the ConfigMap', 20, () => monitors().join() === 'portolan-itself');
  const ran = portolan('monitor', 'run-now', 'portolan-itself', '--wait');
  expect(ran.code === 0, `the monitor of the ConfigMap completes a run ${ran.err}`);
  if (overlays.includes('quickstart')) expect(portolan('check').code === 0, 'and has no findings');

  // GitOps: a second monitor appears in the ConfigMap of the running pod.
  const {data} = named(cluster.objects, 'ConfigMap', 'portolan-monitors');
  const [file, text] = Object.entries(data)[0];
  cluster.replaceConfigMap(coordinator.namespace, 'portolan-monitors', {...data, [`second-${file}`]: text.replace('name: portolan-itself', 'name: second')});
  await eventually('the second monitor', 30, () => monitors().join() === 'portolan-itself,second');
  expect(true, 'a monitor that is added to the ConfigMap is picked up by the running coordinator');

  // A scope, too: of the agents of one vantage, then of the coordinator.
  const narrowed = agents[0];
  const vantage = narrowed.container.env.find(({name}) => name === 'PORTOLAN_VANTAGE').value;
  const scopeOf = (pod) => pod.spec.volumes.find(({name}) => name === 'scope').configMap.name;
  const allow = named(cluster.objects, 'ConfigMap', scopeOf(narrowed)).data.allow;
  const [denied] = listening[1];
  cluster.replaceConfigMap(narrowed.namespace, scopeOf(narrowed), {allow, deny: `${denied}\n`});
  await eventually('the new scope of the agents', 30, () =>
    lines(portolan('agents', 'list', '--json').out).every((agent) => agent.vantage !== vantage || agent.scope.includes(`deny ${denied}`)));
  const second = scan();
  const left = expected.filter((row) => !row.startsWith(`${vantage} ${denied}:`));
  if (second.code !== 3 || open(second).join() !== left.join()) throw new Error(`scan: exit ${second.code}, open ${open(second).join(', ')}: ${second.err}`);
  expect(true, `a narrower scope of the agents of ${vantage} holds without a restart, there and nowhere else`);
  cluster.replaceConfigMap(coordinator.namespace, scopeOf(coordinator), {allow, deny: `${targets}\n`});
  await eventually('the new scope of the coordinator', 30, () => scan().code === 2);
  expect(true, 'and so does the coordinator\'s');
  expect(pods.every(({exit}) => exit === undefined), 'no pod has ended meanwhile');

  for (const pod of [...agents, coordinator]) {
    const {exit, seconds} = await cluster.end(pod);
    expect(exit === 0, `${pod.name} ends on SIGTERM after ${seconds.toFixed(1)} s of ${pod.spec.terminationGracePeriodSeconds}: exit ${exit}`);
  }
}

if (process.getuid() !== 0) {
  console.log('skip: only root can make network namespaces; run ./dev k8s-check as root for this part');
  process.exit(0);
}
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { stopping = true; });  // what was started is ended below; each step is bounded
for (const overlays of clusters) {
  if (stopping) process.exit(130);
  const folder = mkdtempSync(join(tmpdir(), 'portolan-run-'));
  const objects = overlays.flatMap(render);
  const secrets = certificates(folder);
  const cluster = new Cluster(objects, secrets);
  console.log(`---- ${overlays.join(' with ')}`);
  try {
    await story(overlays, cluster, folder, secrets);
  } catch (error) {
    console.log(`FAIL ${error.message}\n${cluster.logs()}`);
    process.exitCode = 1;
  } finally {
    await cluster.clean();
    rmSync(folder, {recursive: true});
  }
}
