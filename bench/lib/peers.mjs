/** Finds the Python peers that benchmarks compare with, and says how to get them. Nothing of aipc itself needs Python. */
import { spawnSync } from 'node:child_process';

/** Packages and the variable that names a Python with them. The versions are those that were measured. */
const PEERS = {
  'openvino-genai': {
    variable: 'AIPC_BENCH_GENAI_PYTHON',
    modules: ['openvino', 'openvino_genai', 'numpy'],
    packages: ['openvino-genai==2026.4.1.0', 'numpy==2.4.6'],
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
  const distributions = 'openvino openvino-genai optimum-intel optimum nncf torch transformers numpy';
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
