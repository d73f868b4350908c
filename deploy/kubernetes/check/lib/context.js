// What policies look at beside the manifests: the programs' help, the version, how long the coordinator may take to end.
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {podPolicies} from '../policies/pods.js';
import {programPolicies} from '../policies/programs.js';
import {referencePolicies} from '../policies/references.js';
import {overlays, render, repository} from './manifests.js';

export const policies = {...podPolicies, ...referencePolicies, ...programPolicies};

function found(file, pattern) {
  const match = pattern.exec(readFileSync(join(repository, file), 'utf8'));
  if (!match) throw new Error(`${file}: nothing there matches ${pattern}; tell the checks where it went`);
  return match[1];
}

export function programsFolder() {
  if (!process.env.PORTOLAN_BIN) throw new Error('PORTOLAN_BIN: name the folder of the programs (build/programs/bin)');
  return resolve(process.env.PORTOLAN_BIN);
}

export function makeContext() {
  const help = {};
  for (const program of ['portolan-coordinator', 'portolan-agent']) {
    help[program] = execFileSync(join(programsFolder(), program), ['--help'], {encoding: 'utf8'});
  }
  const rendered = Object.fromEntries(overlays().map((overlay) => [overlay, render(overlay)]));
  return {
    help, rendered,
    everything: Object.values(rendered).flat(),
    version: found('CMakeLists.txt', /project\(portolan VERSION (\S+)/),
    coordinatorDrain: Number(found('coordinator/server/main.cc', /kGrace = std::chrono::seconds\((\d+)\)/)),
  };
}

// The errors of one overlay's objects: [policy, sentence].
export function policyErrors(objects, context) {
  return Object.entries(policies).flatMap(([name, check]) => check({...context, objects}).map((text) => [name, text]));
}
