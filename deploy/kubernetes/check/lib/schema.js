// Strict validation against the Kubernetes API and the CRDs that we use. Two halves of the same models: their validators know what is required, types and
// formats, but let unknown fields pass; their TypeScript interfaces, held against object literals, refuse unknown fields at every depth.
import {createRequire} from 'node:module';
import {join} from 'node:path';
import ts from 'typescript';
import {identity, root} from './manifests.js';

const require = createRequire(import.meta.url);
const folder = join(root, 'check');

function moduleOf({apiVersion, kind}) {
  const packages = [
    [/^monitoring\.coreos\.com\//, '@kubernetes-models/prometheus-operator'],
    [/^cert-manager\.io\//, '@kubernetes-models/cert-manager'],
    [/./, 'kubernetes-models'],
  ];
  return `${packages.find(([pattern]) => pattern.test(apiVersion))[1]}/${apiVersion}/${kind}`;
}

function validatorErrors(object) {
  let Model;
  try {
    Model = require(moduleOf(object))[object.kind];
  } catch {
    return [`${object.apiVersion} ${object.kind}: no such kind is known`];
  }
  try {
    new Model(object).validate();
    return [];
  } catch (error) {
    return error.message.split(', ').map((text) => text.replace(/^data/, ''));
  }
}

// /spec/template/spec of the literal that is written at `position`.
function pathAt(source, position) {
  const path = [];
  const visit = (node) => {
    if (position < node.getFullStart() || position >= node.getEnd()) return;
    if (ts.isPropertyAssignment(node)) path.push(node.name.text);
    if (node.parent && ts.isArrayLiteralExpression(node.parent)) path.push(node.parent.elements.indexOf(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return path.map((part) => `/${part}`).join('');
}

// The errors of all objects, each "Kind name: /path: what".
export function schemaErrors(objects) {
  const errors = [];
  const known = [];
  for (const object of objects) {
    const found = typeof object?.apiVersion === 'string' && typeof object?.kind === 'string' ?
        validatorErrors(object) : ['apiVersion and kind: missing'];
    errors.push(...found.map((text) => `${identity(object)}: ${text}`));
    if (!found.some((text) => text.includes('no such kind') || text.includes('missing'))) known.push(object);
  }

  const imports = known.map((object, i) => `import type {I${object.kind} as T${i}} from ${JSON.stringify(moduleOf(object))};`);
  const literals = known.map((object, i) => `export const o${i}: T${i} = ${JSON.stringify(object)};`);
  const text = [...imports, ...literals].join('\n');
  const file = join(folder, 'rendered.ts');  // nowhere but in memory; here, so that the packages are found
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10,
  };
  const host = ts.createCompilerHost(options);
  const {getSourceFile, fileExists} = host;
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true) : getSourceFile.call(host, name, ...rest);
  host.fileExists = (name) => name === file || fileExists.call(host, name);
  const program = ts.createProgram([file], options, host);
  const source = program.getSourceFile(file);
  const lines = text.split('\n').length - known.length;
  for (const diagnostic of ts.getPreEmitDiagnostics(program, source)) {
    const line = source.getLineAndCharacterOfPosition(diagnostic.start).line;
    const object = known[line - lines];
    let message = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
    message = message.replace(/^Object literal may only specify known properties, (and|but) /, 'unknown field: ');
    errors.push(`${object ? identity(object) : 'models'}: ${pathAt(source, diagnostic.start)}: ${message}`);
  }
  return errors;
}
