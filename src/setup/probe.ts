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

/** What the process says; a later message adds to an earlier one. */
export type ProbeMessage = RuntimeFacts | { readonly problem: string };

export interface ProbeAnswer extends RuntimeFacts {
  /** null: none. Else the runtime serves the CPU, and this happened when it looked for other devices. */
  readonly deviceProblem: string | null;
}

/** Loading reads 200 MB at most and asks drivers for their devices. */
const PROBE_TIMEOUT_MS = 120_000;

/** Throws RUNTIME_INCOMPATIBLE where the library or its CPU plug-in does not load here, or the signal's reason. */
export async function probeRuntime(libraryFolder: string, signal: AbortSignal | undefined): Promise<ProbeAnswer> {
  signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const child = fork(fileURLToPath(new URL('./probe-worker.js', import.meta.url)), {
    env: { ...process.env, OPENVINO_LIB_DIR: libraryFolder },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    killSignal: 'SIGKILL',
  });
  let facts: RuntimeFacts | undefined;
  let problem: string | null = null;
  child.on('message', (message) => {
    const answer = message as ProbeMessage;
    if ('problem' in answer) problem = answer.problem;
    else facts = answer;
  });
  const crash = await new Promise<string | null>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, killedBy) => resolve(code === 0 ? null : (killedBy ?? `exit code ${code ?? 'none'}`)));
  });
  signal?.throwIfAborted();
  problem ??= crash === null ? null : `the process that loaded it ended with ${crash}`;
  if (facts !== undefined) return { ...facts, deviceProblem: problem };
  throw new EngineError(
    'RUNTIME_INCOMPATIBLE',
    `This OpenVINO does not run on this machine: ${problem ?? 'it said nothing'}. Nothing was installed.`,
    { details: { libraryFolder, problem } },
  );
}
