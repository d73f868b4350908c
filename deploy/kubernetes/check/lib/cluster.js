// Pods of rendered manifests as real processes, without a container runtime: each with a network namespace on one bridge without a way out, a root of its own
// (read-only where the manifest says so), its volumes at the paths of the manifest, its user, no capability, its sysctls. Root only.
import {execFileSync, spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {chownSync, chmodSync, closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {programsFolder} from './context.js';
import {identity, matches, named, of, programOf, workloads} from './manifests.js';

const run = (...command) => execFileSync(command[0], command.slice(1), {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Until `ask` returns something; what it throws counts as nothing.
export async function eventually(what, secondsLeft, ask) {
  let last = '';
  for (let i = 0; i < secondsLeft * 5; ++i) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = `: ${error.message}`;
    }
    await sleep(200);
  }
  throw new Error(`gave up after ${secondsLeft} s: ${what}${last}`);
}

// The files of a volume as the kubelet lays them: ..data points to a directory of the day, each name into ..data; a change replaces ..data at once.
class FilesVolume {
  #folder;
  #turn = 0;
  constructor(folder) {
    this.#folder = folder;
    mkdirSync(folder, {recursive: true});
  }
  set(files, mode, group) {
    const day = `..${++this.#turn}`;
    mkdirSync(join(this.#folder, day));
    chmodSync(join(this.#folder, day), 0o755);
    for (const [name, text] of Object.entries(files)) {
      const file = join(this.#folder, day, name);
      writeFileSync(file, text);
      chownSync(file, 0, group);
      chmodSync(file, mode);
      rmSync(join(this.#folder, name), {force: true});
      symlinkSync(join('..data', name), join(this.#folder, name));
    }
    symlinkSync(day, join(this.#folder, '..new'));
    renameSync(join(this.#folder, '..new'), join(this.#folder, '..data'));
  }
}

export class Cluster {
  #id = `ptk${process.pid}`;
  #work = mkdtempSync(join(tmpdir(), 'portolan-pods-'));
  #objects;
  #secrets;
  #pods = [];
  #volumes = new Map();  // "ConfigMap namespace/name" -> [volume, mode, group]
  #addresses = 0;
  #namespaces = [];

  constructor(objects, secrets) {
    this.#objects = objects;
    this.#secrets = secrets;
    chmodSync(this.#work, 0o755);
  }

  get objects() { return this.#objects; }
  get pods() { return this.#pods; }
  // Where hosts answer, and from where the kubelet asks.
  get node() { return `${this.#id}-node`; }

  start() {
    const node = this.node;
    this.#namespace(node);
    run('ip', '-n', node, 'link', 'add', 'pods', 'type', 'bridge');
    run('ip', '-n', node, 'addr', 'add', '198.18.0.1/24', 'dev', 'pods');
    run('ip', '-n', node, 'link', 'set', 'pods', 'up');
    run('ip', '-n', node, 'route', 'add', 'local', '198.19.0.0/24', 'dev', 'lo');
    const all = workloads(this.#objects).flatMap((work) => [...Array(work.object.spec.replicas).keys()].map((i) => ({work, i})));
    // Addresses first: each pod's hosts file has the services.
    const pods = all.map(({work, i}) => this.#place(work, i));
    this.#pods = pods;
    for (const pod of pods) this.#prepare(pod);
    for (const pod of pods) this.#run(pod);
  }

  #namespace(name) {
    run('ip', 'netns', 'add', name);
    this.#namespaces.push(name);
    run('ip', '-n', name, 'link', 'set', 'lo', 'up');
  }

  #place(work, i) {
    const name = `${work.object.metadata.name}-${work.object.kind === 'StatefulSet' ? i : randomBytes(4).toString('hex')}`;
    const pod = {name, work, namespace: work.object.metadata.namespace, spec: work.pod, container: work.pod.containers[0]};
    if (work.pod.hostNetwork) return Object.assign(pod, {netns: this.node, address: '198.18.0.1'});
    const n = ++this.#addresses;
    const netns = `${this.#id}-${n}`;
    const address = `198.18.0.${n + 1}`;
    this.#namespace(netns);
    run('ip', 'link', 'add', 'eth0', 'netns', netns, 'type', 'veth', 'peer', 'name', `pod${n}`, 'netns', this.node);
    run('ip', '-n', this.node, 'link', 'set', `pod${n}`, 'master', 'pods', 'up');
    run('ip', '-n', netns, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    run('ip', '-n', netns, 'link', 'set', 'eth0', 'up');
    run('ip', '-n', netns, 'route', 'add', 'default', 'via', '198.18.0.1');
    for (const {name: key, value} of work.pod.securityContext?.sysctls ?? []) {
      run('ip', 'netns', 'exec', netns, 'sysctl', '-q', '-w', `${key}=${value}`);
    }
    return Object.assign(pod, {netns, address});
  }

  #hosts(pod) {
    const lines = ['127.0.0.1 localhost', `${pod.address} ${pod.name}`];
    for (const service of of(this.#objects, 'Service')) {
      const {name, namespace} = service.metadata;
      const behind = this.#pods.find((other) => other.namespace === namespace && matches({matchLabels: service.spec.selector}, other.work.labels));
      const names = [`${name}.${namespace}`, `${name}.${namespace}.svc`, ...(namespace === pod.namespace ? [name] : [])];
      if (behind) lines.push(`${behind.address} ${names.join(' ')}`);
    }
    return `${lines.join('\n')}\n`;
  }

  #volumeFolder(pod, mount) {
    const {fsGroup = 0} = pod.spec.securityContext ?? {};
    const volume = (pod.spec.volumes ?? []).find(({name}) => name === mount.name);
    const source = volume?.configMap ? ['ConfigMap', volume.configMap.name, 0o644] :
      volume?.secret ? ['Secret', volume.secret.secretName, 0o644] : undefined;
    if (!source) {  // claimed, or empty: the pod's own, writable for its group
      const folder = join(this.#work, `${pod.namespace}-${pod.name}-${mount.name}`);
      mkdirSync(folder);
      chownSync(folder, 0, fsGroup);
      chmodSync(folder, 0o2775);
      return folder;
    }
    const [kind, name, standard] = source;
    const key = `${kind}-${pod.namespace}-${name}`;
    const folder = join(this.#work, key);
    if (!this.#volumes.has(key)) {
      const mode = volume.configMap?.defaultMode ?? volume.secret?.defaultMode ?? standard;
      const files = new FilesVolume(folder);
      this.#volumes.set(key, {files, mode, group: fsGroup});
      const data = kind === 'Secret' ? this.#secrets[name] : named(this.#objects, 'ConfigMap', name).data ?? {};
      if (!data) throw new Error(`Secret ${name}: nobody brought it`);
      files.set(data, mode, fsGroup);
    }
    return folder;
  }

  // What GitOps does: the files of a mounted ConfigMap become others.
  replaceConfigMap(namespace, name, data) {
    const {files, mode, group} = this.#volumes.get(`ConfigMap-${namespace}-${name}`);
    files.set(data, mode, group);
  }

  #prepare(pod) {
    const root = join(this.#work, `root-${pod.namespace}-${pod.name}`);
    pod.root = root;
    for (const folder of ['usr', 'proc', 'dev', 'etc', 'opt/portolan', 'tmp']) mkdirSync(join(root, folder), {recursive: true});
    for (const link of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${link}`, join(root, link));
    pod.binds = (pod.container.volumeMounts ?? []).map((mount) => {
      mkdirSync(join(root, mount.mountPath), {recursive: true});
      return [this.#volumeFolder(pod, mount), mount.mountPath, mount.readOnly ? 'ro' : 'rw'];
    });
    writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files\n');
    if (existsSync('/etc/ld.so.cache')) cpSync('/etc/ld.so.cache', join(root, 'etc/ld.so.cache'));
  }

  #environment(pod) {
    const fields = {'metadata.name': pod.name, 'metadata.namespace': pod.namespace, 'status.podIP': pod.address, 'spec.nodeName': 'node'};
    const env = (pod.container.env ?? []).map(({name, value, valueFrom}) => {
      const field = valueFrom?.fieldRef?.fieldPath;
      if (field && !(field in fields)) throw new Error(`${identity(pod.work.object)}: env ${name}: field ${field} is not known here`);
      return [name, field ? fields[field] : value ?? ''];
    });
    return Object.fromEntries(env);
  }

  #run(pod) {
    const s = {...pod.spec.securityContext, ...pod.container.securityContext};
    writeFileSync(join(pod.root, 'etc/hosts'), this.#hosts(pod));
    const env = this.#environment(pod);
    const args = (pod.container.args ?? []).map((arg) => arg.replace(/\$\((\w+)\)/g, (text, name) => env[name] ?? text));
    const script = [
      'set -eu',
      'mount --bind "$1" "$1"',
      'mount --rbind /usr "$1/usr"', 'mount -o remount,bind,ro "$1/usr"',
      'mount -t proc proc "$1/proc"',
      'mount --bind /dev "$1/dev"',
      `mount --bind '${programsFolder()}' "$1/opt/portolan"`,
      ...pod.binds.flatMap(([from, to, how]) => [`mount --bind '${from}' "$1${to}"`, ...(how === 'ro' ? [`mount -o remount,bind,ro "$1${to}"`] : [])]),
      ...(s.readOnlyRootFilesystem ? ['mount -o remount,bind,ro "$1"'] : []),
      'exec chroot "$@"',
    ].join('\n');
    const log = openSync(join(this.#work, `${pod.namespace}-${pod.name}.log`), 'w');
    pod.log = join(this.#work, `${pod.namespace}-${pod.name}.log`);
    pod.process = spawn('ip', ['netns', 'exec', pod.netns, 'sh', '-c', script, 'sh', pod.root,
      '/usr/bin/env', '-i', `HOSTNAME=${pod.name}`, ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      '/usr/bin/setpriv', `--reuid=${s.runAsUser}`, `--regid=${s.runAsGroup ?? 0}`, `--groups=${s.fsGroup ?? s.runAsGroup ?? 0}`,
      ...(s.allowPrivilegeEscalation === false ? ['--no-new-privs'] : []),
      ...(s.capabilities?.drop?.includes('ALL') ? ['--bounding-set=-all', '--inh-caps=-all'] : []),
      `/opt/portolan/${programOf(pod.container)}`, ...args], {stdio: ['ignore', log, log]});
    closeSync(log);
    pod.ended = new Promise((resolve) => pod.process.on('exit', (code, signal) => {
      pod.exit = signal ?? code;
      resolve(pod.exit);
    }));
  }

  // What the kubelet does: GET from the node, of the pod's address.
  probe(pod, name) {
    const {path, port} = pod.container[name].httpGet;
    const number = pod.container.ports.find((p) => p.name === port).containerPort;
    return run('ip', 'netns', 'exec', this.node, 'curl', '-s', '-o', '/dev/null', '-m', '5', '-w', '%{http_code}', `http://${pod.address}:${number}${path}`) === '200';
  }

  // Starts a program that ends, as root: {code, out, err}.
  exec(netns, ...command) {
    try {
      return {code: 0, out: run('ip', 'netns', 'exec', netns, ...command), err: ''};
    } catch (error) {
      return {code: error.status, out: error.stdout ?? '', err: error.stderr ?? String(error)};
    }
  }
  background(netns, ...command) {
    const process = spawn('ip', ['netns', 'exec', netns, ...command], {stdio: 'ignore'});
    this.#pods.push({process, ended: new Promise((resolve) => process.on('exit', resolve)), helper: true});
  }

  // SIGTERM; how it ended and after how many seconds. KILL comes when its grace period is over, as from the kubelet.
  async end(pod) {
    const begin = Date.now();
    pod.process.kill('SIGTERM');
    const grace = (pod.spec?.terminationGracePeriodSeconds ?? 5) * 1000;
    const timer = setTimeout(() => pod.process.kill('SIGKILL'), grace);
    await pod.ended;
    clearTimeout(timer);
    return {exit: pod.exit, seconds: (Date.now() - begin) / 1000};
  }

  logs() {
    return this.#pods.filter(({log}) => log).map(({name, log}) => `--- ${name}\n${readFileSync(log, 'utf8').split('\n').slice(-12).join('\n')}`).join('\n');
  }

  async clean() {
    for (const pod of this.#pods) {
      if (pod.process.exitCode === null && pod.process.signalCode === null) {
        pod.process.kill('SIGKILL');
        await pod.ended;
      }
    }
    for (const name of this.#namespaces) try { run('ip', 'netns', 'del', name); } catch { /* gone */ }
    rmSync(this.#work, {recursive: true, force: true});
  }
}
