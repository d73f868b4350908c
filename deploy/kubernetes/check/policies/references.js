// What one object says of another must be true.
import {identity, matches, named, of, workloads} from '../lib/manifests.js';

// Secrets that the user brings, and what must be in them.
export const broughtByTheUser = {
  'portolan-coordinator-tls': ['tls.crt', 'tls.key', 'ca.crt'],
  'portolan-agent-tls': ['tls.crt', 'tls.key', 'ca.crt'],
};

const portNames = (containers) => containers.flatMap((c) => (c.ports ?? []).map(({name}) => name));

// The volumes of a pod with the names of their files; null: whatever the program writes.
function filesOf(volume, objects) {
  if (volume.configMap) return Object.keys(named(objects, 'ConfigMap', volume.configMap.name)?.data ?? {});
  if (volume.secret) return broughtByTheUser[volume.secret.secretName] ?? [];
  return null;
}

export const referencePolicies = {
  'selectors match': ({objects}) => {
    const all = workloads(objects);
    const errors = [];
    for (const {id, object, labels, pod} of all) {
      const {selector} = object.spec;
      if (!matches(selector, labels)) errors.push(`${id}: its selector does not match its pods`);
      for (const other of all) {
        if (other.id !== id && matches(selector, other.labels)) errors.push(`${id}: its selector matches the pods of ${other.id}`);
      }
      for (const {topologyKey, labelSelector} of pod.topologySpreadConstraints ?? []) {
        if (!matches(labelSelector, labels)) errors.push(`${id}: spread over ${topologyKey}: counts other pods`);
      }
      if (object.kind === 'StatefulSet' && !named(objects, 'Service', object.spec.serviceName)) errors.push(`${id}: no Service ${object.spec.serviceName}`);
    }
    for (const service of of(objects, 'Service')) {
      const pods = all.filter(({labels}) => matches({matchLabels: service.spec.selector}, labels));
      if (pods.length !== 1) errors.push(`${identity(service)}: selects the pods of ${pods.length} workloads`);
      for (const {targetPort} of service.spec.ports) {
        if (!pods.every(({containers}) => portNames(containers).includes(targetPort))) errors.push(`${identity(service)}: no container port ${targetPort}`);
      }
    }
    for (const policy of of(objects, 'NetworkPolicy')) {
      const pods = all.filter(({labels}) => matches(policy.spec.podSelector, labels));
      if (pods.length === 0) errors.push(`${identity(policy)}: selects no pod`);
      for (const {port} of (policy.spec.ingress ?? []).flatMap(({ports}) => ports ?? [])) {
        if (!pods.every(({containers}) => portNames(containers).includes(port))) errors.push(`${identity(policy)}: no container port ${port}`);
      }
      if (pods.some(({id}) => id.includes('agent')) && policy.spec.policyTypes.includes('Egress')) {
        errors.push(`${identity(policy)}: limits where agents connect to, and what it drops would count as filtered`);
      }
    }
    for (const monitor of of(objects, 'ServiceMonitor', 'PodMonitor')) {
      const services = of(objects, 'Service').filter(({metadata}) => matches(monitor.spec.selector, metadata.labels ?? {}));
      const ports = monitor.kind === 'ServiceMonitor' ? services.map(({spec}) => spec.ports.map(({name}) => name)) :
        all.filter(({labels}) => matches(monitor.spec.selector, labels)).map(({containers}) => portNames(containers));
      if (ports.length === 0) errors.push(`${identity(monitor)}: selects nothing`);
      for (const {port, honorLabels} of monitor.spec.endpoints ?? monitor.spec.podMetricsEndpoints) {
        if (!ports.every((names) => names.includes(port))) errors.push(`${identity(monitor)}: no port ${port}`);
        if (!honorLabels) errors.push(`${identity(monitor)}: honorLabels must be true: portolan_port_open has a label "service" of its own`);
      }
    }
    return errors;
  },

  'what is named exists': ({objects}) => workloads(objects).flatMap(({id, object, pod, containers}) => {
    const errors = [];
    const claims = (object.spec.volumeClaimTemplates ?? []).map(({metadata}) => metadata.name);
    const volumes = new Map((pod.volumes ?? []).map((volume) => [volume.name, volume]));
    const needs = (kind, name) => named(objects, kind, name) || errors.push(`no ${kind} ${name}`);
    const needsSecret = (name) => name in broughtByTheUser || errors.push(`Secret ${name}: not one that the user is told to bring`);
    needs('ServiceAccount', pod.serviceAccountName);
    for (const volume of volumes.values()) {
      if (volume.configMap) needs('ConfigMap', volume.configMap.name);
      if (volume.secret) needsSecret(volume.secret.secretName);
    }
    for (const {env = [], envFrom = [], volumeMounts = [], args = []} of containers) {
      for (const {configMapRef, secretRef} of envFrom) {
        if (configMapRef) needs('ConfigMap', configMapRef.name);
        if (secretRef) needsSecret(secretRef.name);
      }
      for (const {name, valueFrom} of env) {
        if (valueFrom?.configMapKeyRef || valueFrom?.secretKeyRef) errors.push(`env ${name}: from a ConfigMap or Secret, which needs a restart to change`);
      }
      for (const {name} of volumeMounts) {
        if (!volumes.has(name) && !claims.includes(name)) errors.push(`no volume ${name}`);
      }
      // Every path that a program is told must lie in a volume, and be there.
      const told = [...args.map((arg) => arg.replace(/^[^=]*=/, '')), ...env.map(({value}) => value ?? '')];
      for (const path of told.filter((text) => text.startsWith('/'))) {
        const mount = volumeMounts.find(({mountPath}) => path === mountPath || path.startsWith(`${mountPath}/`));
        if (!mount) {
          errors.push(`${path}: in no volume`);
          continue;
        }
        const files = volumes.has(mount.name) ? filesOf(volumes.get(mount.name), objects) : null;
        const file = path.slice(mount.mountPath.length + 1);
        if (file !== '' && files !== null && !files.includes(file)) errors.push(`${path}: no such file in volume ${mount.name}`);
      }
    }
    return errors.map((text) => `${id}: ${text}`);
  }),

  'small enough to apply': ({objects}) => objects.filter((object) => JSON.stringify(object).length >= 256 << 10)
    .map((object) => `${identity(object)}: above 256 KiB, which kubectl apply cannot note in an annotation`),
};
