// What every pod must be. Each policy: its errors, as sentences; none when it holds.
import {flag, identity, matches, named, of, programOf, quantity, seconds, workloads} from '../lib/manifests.js';

const safeSysctls = [
  'kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range',
];
const restrictedVolumes = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'];

const eachPod = (check) => ({objects, ...context}) =>
  workloads(objects).flatMap((work) => check(work, {objects, ...context}).filter(Boolean).map((text) => `${work.id}: ${text}`));
const eachContainer = (check) => eachPod((work, context) =>
  work.containers.flatMap((container) => check(container, work, context).filter(Boolean).map((text) => `container ${container.name}: ${text}`)));

export const podPolicies = {
  'restricted pod security': (context) => [
    ...eachPod(({pod, object}, {objects}) => {
      const s = pod.securityContext ?? {};
      const namespace = named(objects, 'Namespace', object.metadata.namespace);
      const level = namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'];
      return [
        s.runAsNonRoot !== true && 'runAsNonRoot must be true',
        !(Number.isInteger(s.runAsUser) && s.runAsUser > 0) && 'runAsUser must be a number above 0, so that the kubelet can tell',
        s.seccompProfile?.type !== 'RuntimeDefault' && 'seccompProfile must be RuntimeDefault',
        (pod.hostPID || pod.hostIPC) && 'hostPID and hostIPC are not for us',
        pod.hostNetwork && object.metadata.namespace !== 'portolan-host-network' && 'hostNetwork is for the overlay host-network alone',
        level !== (pod.hostNetwork ? 'privileged' : 'restricted') && `namespace ${object.metadata.namespace}: enforces the level ${level}`,
        ...(pod.volumes ?? []).map((volume) => Object.keys(volume).some((key) => key !== 'name' && !restrictedVolumes.includes(key)) &&
          `volume ${volume.name}: of a kind that the restricted level refuses`),
        ...(s.sysctls ?? []).map(({name}) => !safeSysctls.includes(name) && `sysctl ${name}: not a safe one`),
        ...(s.sysctls ?? []).map(({name}) => pod.hostNetwork && name.startsWith('net.') && `sysctl ${name}: the kubelet refuses it with hostNetwork`),
      ];
    })(context),
    ...eachContainer((container, {pod}) => {
      const s = container.securityContext ?? {};
      return [
        s.allowPrivilegeEscalation !== false && 'allowPrivilegeEscalation must be false',
        s.privileged && 'privileged',
        s.readOnlyRootFilesystem !== true && 'readOnlyRootFilesystem must be true',
        JSON.stringify(s.capabilities) !== '{"drop":["ALL"]}' && 'capabilities: drop ALL, and add none',
        s.seccompProfile && 'seccompProfile: is the pod\'s to say',
        s.runAsUser === 0 && 'runAsUser 0',
        ...(container.ports ?? []).map((port) => port.hostPort && !pod.hostNetwork && 'hostPort'),
      ];
    })(context),
  ],

  'no token, no service links': (context) => [
    ...eachPod(({pod}) => [
      pod.automountServiceAccountToken !== false && 'automountServiceAccountToken must be false',
      pod.enableServiceLinks !== false && 'enableServiceLinks must be false: services would set PORTOLAN_ variables',
    ])(context),
    ...of(context.objects, 'ServiceAccount').filter((a) => a.automountServiceAccountToken !== false)
      .map((a) => `${identity(a)}: automountServiceAccountToken must be false`),
  ],

  'probes': eachContainer((container) => ['startupProbe', 'livenessProbe', 'readinessProbe'].flatMap((name) => {
    const get = container[name]?.httpGet;
    const path = name === 'readinessProbe' ? '/readyz' : '/livez';
    return [
      !get && `${name}: missing, or not by HTTP`,
      get && get.path !== path && `${name}: path ${get.path}; it is ${path}`,
      get && get.port !== 'http' && `${name}: port ${get.port}; it is http, where the metrics are`,
    ];
  })),

  'resources': eachContainer((container) => {
    const {requests = {}, limits = {}} = container.resources ?? {};
    return [
      !requests.cpu && 'no CPU request',
      !requests.memory && 'no memory request',
      !limits.memory && 'no memory limit',
      limits.cpu && 'a CPU limit: throttling makes open ports look slow or silent',
      requests.memory && limits.memory && quantity(requests.memory) > quantity(limits.memory) && 'requests more memory than the limit',
    ];
  }),

  'image': eachContainer((container, _, {version}) => {
    const tag = /:([^/:]+)$/.exec(container.image ?? '')?.[1];
    return [
      !tag && `image ${container.image}: without a tag`,
      tag === 'latest' && 'image: the tag latest',
      tag && tag !== 'latest' && tag !== version && `image ${container.image}: this is version ${version}`,
    ];
  }),

  'grace period': eachPod(({pod, containers}, {coordinatorDrain}) => containers.map((container) => {
    const agent = programOf(container) === 'portolan-agent';
    if (agent && !flag(container, '--grace')) return '--grace: not given, so nobody sees what the grace period must exceed';
    const drain = agent ? seconds(flag(container, '--grace')) : coordinatorDrain;
    const grace = pod.terminationGracePeriodSeconds ?? 30;
    return grace < drain + 10 && `terminationGracePeriodSeconds ${grace}: a drain takes up to ${drain} s, and ending some more`;
  })),

  'files are updated': eachContainer((container, {pod}) => (container.volumeMounts ?? []).map((mount) => {
    const volume = (pod.volumes ?? []).find(({name}) => name === mount.name);
    return (volume?.configMap || volume?.secret) && (mount.subPath || mount.subPathExpr) &&
      `mount ${mount.mountPath}: by subPath, which is never updated`;
  })),

  'one coordinator': ({objects}) => workloads(objects).filter(({containers}) => containers.some((c) => programOf(c) === 'portolan-coordinator'))
    .flatMap(({id, object, containers}) => {
      const claims = (object.spec.volumeClaimTemplates ?? []).map(({metadata}) => metadata.name);
      const data = flag(containers[0], '--data');
      const mount = (containers[0].volumeMounts ?? []).find(({mountPath}) => mountPath === data);
      return [
        object.kind !== 'StatefulSet' && `${id}: must be a StatefulSet`,
        object.spec.replicas !== 1 && `${id}: ${object.spec.replicas} replicas; one at a time owns the database`,
        !claims.includes(mount?.name) && `${id}: --data ${data}: not on a claimed volume`,
      ].filter(Boolean);
    }),

  'agents': ({objects}) => {
    const agents = workloads(objects).filter(({containers}) => containers.some((c) => programOf(c) === 'portolan-agent'));
    const seen = new Map();
    return agents.flatMap(({id, object, pod, labels, containers: [container]}) => {
      const env = new Map((container.env ?? []).map((e) => [e.name, e]));
      const vantage = env.get('PORTOLAN_VANTAGE')?.value;
      const before = seen.get(vantage);
      seen.set(vantage, id);
      const apart = (pod.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).some((term) =>
        term.topologyKey === 'kubernetes.io/hostname' && term.namespaceSelector && matches(term.labelSelector, labels) &&
        agents.every((other) => matches(term.labelSelector, other.labels)));
      const rate = Number(flag(container, '--max-rate') ?? 0);
      return [
        !vantage && 'PORTOLAN_VANTAGE: give a value; a vantage is nothing to be guessed',
        vantage && before && `PORTOLAN_VANTAGE ${vantage}: ${before} has it too`,
        env.get('PORTOLAN_NAME')?.valueFrom?.fieldRef?.fieldPath !== 'metadata.name' && 'PORTOLAN_NAME must be the pod\'s name, which is unique',
        !(rate > 0 && rate <= 131072 / 120 / 2) && `--max-rate ${rate}: must be 1 to 546, half of what the smallest node can track`,
        !apart && 'agents must keep apart (podAntiAffinity by host name, in all namespaces): they would share a node\'s tracked connections',
        (object.spec.strategy?.rollingUpdate?.maxSurge ?? '25%') !== 0 && 'maxSurge must be 0: a new pod has no node while the old one is there',
      ].filter(Boolean).map((text) => `${id}: ${text}`);
    });
  },
};
