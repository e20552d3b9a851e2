/**
 * Finds the peers that benchmarks compare with, Python packages and node-llama-cpp, and says how to get them. Nothing of
 * aipc itself needs them, or Python.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Packages and the variable that names a Python with them. The versions are those that were measured. */
const PEERS = {
  'openvino-genai': {
    variable: 'AIPC_BENCH_GENAI_PYTHON',
    modules: ['openvino', 'openvino_genai', 'numpy'],
    packages: ['openvino-genai==2026.4.1.0', 'numpy==2.4.6'],
  },
  'onnxruntime-genai': {
    variable: 'AIPC_BENCH_GENAI_BUILDER_PYTHON',
    modules: ['onnxruntime_genai', 'onnx_ir', 'onnxruntime', 'onnx', 'torch', 'transformers'],
    packages: [
      ...['onnxruntime-genai==0.18.0', 'onnx-ir==1.1.0', 'onnx==1.23.2', 'onnxruntime==1.32.0'],
      ...['torch==2.15.0', 'transformers==5.23.0'],
    ],
  },
  'optimum-intel': {
    variable: 'AIPC_BENCH_OPTIMUM_PYTHON',
    modules: ['optimum.intel', 'nncf', 'openvino', 'torch', 'transformers'],
    packages: ['optimum-intel==2.2.0', 'nncf==3.4.0', 'openvino==2026.4.1', 'openvino-tokenizers==2026.4.1.0'],
  },
};

/** A peer is not there; the message says what to install and which variable to set. */
export class PeerMissingError extends Error {}

/**
 * `openvinoLibraries`: the folder of OpenVINO's libraries that the peer loads, for aipc to use the very same ones.
 * @param {keyof typeof PEERS} name
 * @returns {{ python: string, versions: Record<string, string>, openvinoLibraries: string }}
 */
export function findPeer(name) {
  const { variable, modules, packages } = PEERS[name];
  const remedy =
    `Make an environment with \`python3 -m venv DIR && DIR/bin/pip install ${packages.join(' ')}\` ` +
    `and set ${variable}=DIR/bin/python.`;
  const python = process.env[variable];
  if (python === undefined || python === '') {
    throw new PeerMissingError(
      `This benchmark compares with ${name}, a Python package, and ${variable} is not set. ${remedy}`,
    );
  }
  // find_spec does not run the packages: importing torch takes seconds.
  const script = [
    'import json, sys, importlib.util as u, importlib.metadata as m',
    'missing = [x for x in sys.argv[1].split() if u.find_spec(x) is None]',
    'known = [x for x in sys.argv[2].split() if any(True for _ in m.distributions(name=x))]',
    'spec = u.find_spec("openvino")',
    'libraries = spec.submodule_search_locations[0] + "/libs" if spec else None',
    'print(json.dumps({"missing": missing, "versions": {x: m.version(x) for x in known}, "libraries": libraries}))',
  ].join('\n');
  const distributions =
    'openvino openvino-genai optimum-intel optimum nncf torch transformers numpy onnxruntime-genai onnx onnx-ir onnxruntime';
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', script, modules.join(' '), distributions], {
    encoding: 'utf8',
  });
  if (error || status !== 0) {
    throw new PeerMissingError(`${variable}=${python} does not run: ${error?.message ?? stderr.trim()}. ${remedy}`);
  }
  const { missing, versions, libraries } = JSON.parse(stdout);
  if (missing.length > 0) throw new PeerMissingError(`${python} has no ${missing.join(', ')}. ${remedy}`);
  return { python, versions, openvinoLibraries: libraries };
}

const LLAMA = { variable: 'AIPC_BENCH_NODE_LLAMA_CPP', name: 'node-llama-cpp', version: '3.22.1' };

/**
 * node-llama-cpp with its prebuilt library for the CPU, in a folder outside of this package.
 * @returns {{ entry: string, version: string }} `entry`: the module to import
 */
export function findNodeLlamaCpp() {
  const { variable, name, version } = LLAMA;
  const platform = { win32: 'win', darwin: 'mac', linux: 'linux' }[process.platform];
  const variant = platform === 'mac' && process.arch === 'arm64' ? 'mac-arm64-metal' : `${platform}-${process.arch}`;
  const remedy =
    `In an empty folder: \`npm init -y && npm install --ignore-scripts --omit=optional ${name}@${version} ` +
    `@${name}/${variant}@${version}\`, and set ${variable} to the folder.`;
  const folder = process.env[variable];
  if (folder === undefined || folder === '') {
    throw new PeerMissingError(`This benchmark compares with ${name}, and ${variable} is not set. ${remedy}`);
  }
  const packageFolder = path.resolve(folder, 'node_modules', name);
  const file = path.join(packageFolder, 'package.json');
  if (!existsSync(file)) throw new PeerMissingError(`${variable}: there is no ${file}. ${remedy}`);
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  return { entry: path.join(packageFolder, manifest.main), version: manifest.version };
}
