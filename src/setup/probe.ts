/** Loads a runtime in another process and asks what it is. It decides nothing. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../errors.js';

export interface RuntimeFacts {
  /** E.g. `2026.4.1`. */
  readonly version: string;
  /** With the build's number and commit. */
  readonly buildNumber: string;
  readonly libraryFile: string;
  /** OpenVINO's names of the devices of this machine that it can use: `CPU`, `GPU`, `NPU`. */
  readonly devices: readonly string[];
}

/** What the process says. */
export type ProbeAnswer = RuntimeFacts | { readonly problem: string };

/** Loading reads 200 MB at most and asks drivers for their devices. */
const PROBE_TIMEOUT_MS = 120_000;

/** Throws RUNTIME_INCOMPATIBLE where the library does not load on this machine, or the signal's reason. */
export async function probeRuntime(libraryFolder: string, signal: AbortSignal | undefined): Promise<RuntimeFacts> {
  signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const child = fork(fileURLToPath(new URL('./probe-worker.js', import.meta.url)), {
    env: { ...process.env, OPENVINO_LIB_DIR: libraryFolder },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    killSignal: 'SIGKILL',
  });
  let answer: ProbeAnswer | undefined;
  child.on('message', (message) => (answer = message as ProbeAnswer));
  const end = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, killedBy) => resolve(killedBy ?? `exit code ${code ?? 'none'}`));
  });
  signal?.throwIfAborted();
  const problem =
    answer === undefined ? `the process that loaded it ended with ${end}` : 'problem' in answer ? answer.problem : null;
  if (answer !== undefined && !('problem' in answer)) return answer;
  throw new EngineError(
    'RUNTIME_INCOMPATIBLE',
    `This OpenVINO does not run on this machine: ${problem ?? end}. Nothing was installed.`,
    { details: { libraryFolder, problem: problem ?? end } },
  );
}
