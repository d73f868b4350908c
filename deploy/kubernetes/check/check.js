// Every overlay: rendered, held against the schemas, against our own policies, and the generated files against their sources.
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {makeContext, policies, policyErrors} from './lib/context.js';
import {parse, repository, root} from './lib/manifests.js';
import {composeErrors, readCompose} from './policies/compose.js';
import {schemaErrors} from './lib/schema.js';

let failed = 0;
function report(what, errors) {
  console.log(`${errors.length === 0 ? 'ok  ' : 'FAIL'} ${what}`);
  for (const error of errors) console.log(`     ${error}`);
  failed += errors.length;
}

function files(folder) {
  return readdirSync(folder, {withFileTypes: true}).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'check') return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
}

function generatedErrors() {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-k8s-'));
  try {
    const fresh = join(folder, 'rule.yaml');
    execFileSync(join(root, 'generate.sh'), [fresh]);
    const kept = join(root, 'components/monitoring/prometheus-rule.yaml');
    return readFileSync(fresh, 'utf8') === readFileSync(kept, 'utf8') ? [] : [`${relative(repository, kept)}: not what deploy/kubernetes/generate.sh makes; run it`];
  } finally {
    rmSync(folder, {recursive: true});
  }
}

const context = makeContext();
for (const [overlay, objects] of Object.entries(context.rendered)) {
  report(`${overlay}: schemas (${objects.length} objects)`, schemaErrors(objects));
  report(`${overlay}: policies (${Object.keys(policies).length})`, policyErrors(objects, context).map((error) => error.join(': ')));
}
report('components/tls/certificates.yaml: schemas', schemaErrors(parse(readFileSync(join(root, 'components/tls/certificates.yaml'), 'utf8'))));
report('deploy/docker/compose.yaml: policies', composeErrors(readCompose(), context));
report('generated files are current', generatedErrors());
const folders = [root, join(root, '..', 'docker')].filter(existsSync);
report('no manifest and no guide has --insecure', folders.flatMap(files).filter((file) => /--insecure|PORTOLAN_INSECURE/.test(readFileSync(file, 'utf8')))
  .map((file) => relative(repository, file)));
process.exitCode = failed === 0 ? 0 : 1;
