// What must hold of deploy/docker/compose.yaml; there is no schema check, as `docker compose config` does that for whoever has it.
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {parse as parseYaml} from 'yaml';
import {flagsOf, programOf, repository, seconds} from '../lib/manifests.js';

const folder = join(repository, 'deploy', 'docker');

export function readCompose() {
  return parseYaml(readFileSync(join(folder, 'compose.yaml'), 'utf8'), {merge: true});
}

export function composeErrors(compose, {help, version, coordinatorDrain}) {
  return Object.entries(compose.services).flatMap(([name, service]) => {
    const errors = [];
    const container = {image: service.image, args: service.command, env: []};
    const program = programOf(container);
    const tag = /:([^/:]+)$/.exec(service.image)?.[1];
    if (!tag || tag === 'latest') errors.push(`image ${service.image}: name a version`);
    if (service.read_only !== true) errors.push('read_only must be true');
    if (JSON.stringify(service.cap_drop) !== '["ALL"]') errors.push('cap_drop: drop ALL');
    if (!service.security_opt?.includes('no-new-privileges:true')) errors.push('security_opt: no-new-privileges is missing');
    if (service.user || service.privileged || service.cap_add) errors.push('user, privileged and cap_add: are the image\'s to say, or nobody\'s');
    if (help[program] !== undefined) {
      if (tag !== version) errors.push(`image ${service.image}: this is version ${version}`);
      const known = (text) => help[program].includes(text);
      for (const [flag] of flagsOf(container)) if (!known(`${flag} `) && !known(`${flag}\n`)) errors.push(`${flag}: not in ${program} --help`);
      for (const variable of Object.keys(service.environment ?? {})) if (!known(`(Env:${variable})`)) errors.push(`${variable}: not in ${program} --help`);
      const drain = program === 'portolan-agent' ? seconds(flagsOf(container).find(([flag]) => flag === '--grace')?.[1] ?? '25s') : coordinatorDrain;
      if (seconds(service.stop_grace_period ?? '10s') < drain + 10) errors.push(`stop_grace_period ${service.stop_grace_period}: a drain takes up to ${drain} s`);
      for (const file of ['PORTOLAN_TLS_CERT', 'PORTOLAN_TLS_KEY', 'PORTOLAN_TLS_CA']) if (!service.environment?.[file]) errors.push(`${file} is missing`);
      if (!service.mem_limit) errors.push('mem_limit is missing');
    }
    for (const network of Array.isArray(service.networks) ? service.networks : Object.keys(service.networks ?? {})) {
      if (!(network in compose.networks)) errors.push(`no network ${network}`);
    }
    for (const [source, target] of (service.volumes ?? []).map((volume) => volume.split(':'))) {
      if (source.startsWith('.') ? !existsSync(join(folder, source)) : !(source in compose.volumes)) errors.push(`volume ${source} at ${target}: does not exist`);
    }
    for (const other of Object.keys(service.depends_on ?? {})) if (!(other in compose.services)) errors.push(`depends on ${other}, which does not exist`);
    for (const port of service.ports ?? []) if (!port.startsWith('127.0.0.1:')) errors.push(`port ${port}: for everybody; publish it on 127.0.0.1`);
    return errors.map((text) => `${name}: ${text}`);
  });
}
