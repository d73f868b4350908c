// What the manifests tell the programs must be what the programs understand.
import {flag, flagsOf, named, of, programOf, workloads} from '../lib/manifests.js';

const containersOf = (objects) => workloads(objects).flatMap(({id, containers, object}) => containers.map((container) => ({id, container, object})));

export const programPolicies = {
  'flags and variables exist': ({objects, help}) => containersOf(objects).flatMap(({id, container}) => {
    const text = help[programOf(container)];
    if (text === undefined) return [`${id}: ${container.image}: no program of ours`];
    const flags = new Set(text.match(/(?<=^\s+|,)--[a-z][a-z-]*/gm));
    const variables = new Set([...text.matchAll(/\(Env:(\w+)\)/g)].map(([, name]) => name));
    return [
      container.command && 'command: the image says which program runs',
      ...flagsOf(container).map(([name]) => !flags.has(name) && `${name}: not in ${programOf(container)} --help`),
      ...(container.env ?? []).map(({name}) => !variables.has(name) && `env ${name}: not in ${programOf(container)} --help`),
    ].filter(Boolean).map((error) => `${id}: ${error}`);
  }),

  'ports agree': ({objects, everything}) => containersOf(objects).flatMap(({id, container, object}) => {
    const errors = [];
    for (const [name, port] of [['--listen', 'grpc'], ['--http', 'http']]) {
      const address = flag(container, name);
      const declared = (container.ports ?? []).find((p) => p.name === port)?.containerPort;
      if (address === undefined && declared === undefined) continue;
      if (address === undefined || Number(address.split(':').pop()) !== declared) errors.push(`${name} ${address}: the container's port ${port} is ${declared}`);
    }
    const coordinator = flag(container, '--coordinator');
    if (coordinator !== undefined) {
      const [, service, namespace = object.metadata.namespace, port] = /^([^.:]+)(?:\.([^.:]+)[^:]*)?:(\d+)$/.exec(coordinator) ?? [];
      // A service of another overlay's, when the name says that it is in another namespace.
      const found = of(everything, 'Service').find(({metadata}) => metadata.name === service && metadata.namespace === namespace);
      if (!found?.spec.ports.some((p) => p.name === 'grpc' && p.port === Number(port))) errors.push(`--coordinator ${coordinator}: no such service with that port for gRPC`);
    }
    return errors.map((text) => `${id}: ${text}`);
  }),

  'mutual TLS': ({objects}) => [
    ...containersOf(objects).flatMap(({id, container}) => ['PORTOLAN_TLS_CERT', 'PORTOLAN_TLS_KEY', 'PORTOLAN_TLS_CA']
      .filter((name) => !(container.env ?? []).some((e) => e.name === name && e.value)).map((name) => `${id}: ${name} is missing`)),
    ...(/insecure/i.test(JSON.stringify(objects)) ? ['--insecure is in the manifests'] : []),
  ],
};
