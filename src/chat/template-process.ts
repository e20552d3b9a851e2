/**
 * The parent's side of the process that renders templates: starts it when first needed, hands it one request at a time,
 * kills it when it exceeds a limit or is no longer wanted, and starts another for the next request.
 *
 * Why a process: a template can exhaust the memory of its JavaScript engine (`x + x` in a loop), and V8 then aborts the
 * whole process, worker threads and all.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineError, UsageError } from '../errors.js';
import { KILL_GRACE_MS, RENDER_HEAP_MIB, renderTimeLimitMs, START_TIME_LIMIT_MS, tookTooLong } from './limits.js';
import type { RenderedPieces } from './render-pieces.js';
import type { RenderRequest, WorkerMessage } from './template-worker.js';

const WORKER = fileURLToPath(new URL('./template-worker.js', import.meta.url));

interface Running {
  readonly process: ChildProcess;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
}

/** Owns at most one process. It does not keep the program alive except while a request waits. */
export class TemplateProcess {
  #running: Running | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #disposal = new AbortController();

  /** The id of the process, while there is one. */
  get pid(): number | undefined {
    return this.#running?.process.pid;
  }

  /**
   * Renders, after earlier requests are done. Rejects with the signal's reason, DISPOSED, or RUNTIME_FAILED where
   * the process cannot be started; whatever the template does is a result.
   */
  request(request: RenderRequest, signal?: AbortSignal): Promise<RenderedPieces> {
    const result = this.#turn.then(() => this.#render(request, signal));
    this.#turn = result.catch(() => undefined); // the caller gets the error from `result`
    return signal === undefined ? result : untilAborted(result, signal);
  }

  /** Kills the process and refuses further requests. May be called twice. */
  async dispose(): Promise<void> {
    this.#disposal.abort(new UsageError('DISPOSED', 'The chat template was disposed.'));
    await this.#kill();
  }

  async #render(request: RenderRequest, signal: AbortSignal | undefined): Promise<RenderedPieces> {
    const stop = signal === undefined ? this.#disposal.signal : AbortSignal.any([signal, this.#disposal.signal]);
    stop.throwIfAborted();
    const running = (this.#running ??= this.#start());
    const { process: child } = running;
    keepAlive(child, true);
    try {
      await within(START_TIME_LIMIT_MS, untilAborted(running.ready, stop), () => {
        throw new EngineError(
          'RUNTIME_FAILED',
          `The process that renders chat templates did not start within ${START_TIME_LIMIT_MS} ms.`,
        );
      });
      const answer = answerOf(child, request);
      const limitMs = renderTimeLimitMs(request.conversation?.messages);
      return await within(limitMs + KILL_GRACE_MS, untilAborted(answer, stop), async () => {
        await this.#kill();
        return tookTooLong(limitMs);
      });
    } catch (error) {
      await this.#kill();
      throw error;
    } finally {
      if (this.#running === running) keepAlive(child, false);
    }
  }

  #start(): Running {
    const child = spawn(
      process.execPath,
      [`--max-old-space-size=${RENDER_HEAP_MIB}`, '--disallow-code-generation-from-strings', WORKER],
      { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: workerEnvironment(), windowsHide: true },
    );
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => {
        resolve();
      });
      // It could not be started; or it could not be killed, which `exit` must still show.
      child.on('error', () => {
        if (child.pid === undefined) resolve();
      });
    });
    const ready = new Promise<void>((resolve, reject) => {
      child.once('message', () => {
        resolve();
      });
      const fail = (cause?: unknown): void => {
        const how = cause instanceof Error ? cause.message : describeExit(child);
        reject(
          new EngineError('RUNTIME_FAILED', `The process that renders chat templates could not start: ${how}.`, {
            cause,
          }),
        );
      };
      child.once('error', fail);
      child.once('exit', () => {
        fail();
      });
    });
    ready.catch(() => undefined); // #render awaits it and reports
    const running = { process: child, ready, exited };
    void exited.then(() => {
      if (this.#running === running) this.#running = undefined;
    });
    return running;
  }

  async #kill(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    keepAlive(running.process, true); // or nothing might be left to wait for, and the program would end here
    running.process.ref(); // the program must not end before the caller knows that this has
    running.process.kill('SIGKILL');
    await running.exited;
  }
}

/** Its listeners go with it: what a process that lives long holds on to must not grow with each prompt. */
function answerOf(child: ChildProcess, request: RenderRequest): Promise<RenderedPieces> {
  return new Promise<RenderedPieces>((resolve) => {
    const onMessage = (message: WorkerMessage): void => {
      child.off('exit', onExit);
      if (message !== 'ready') resolve(message);
    };
    const onExit = (): void => {
      child.off('message', onMessage);
      resolve(exitFailure(child));
    };
    if (child.exitCode !== null || child.signalCode !== null) {
      onExit();
      return;
    }
    child.once('message', onMessage);
    child.once('exit', onExit);
    // A failed send means that the process ends, which `exit` reports.
    child.send(request, () => undefined);
  });
}

/**
 * Nothing of the caller's environment, but for what decides whether Node itself starts: the host may be Electron, and
 * Windows may be emulated. (Node adds what Windows needs.)
 */
function workerEnvironment(): NodeJS.ProcessEnv {
  const skipPlatformCheck = process.env['NODE_SKIP_PLATFORM_CHECK'];
  return {
    ELECTRON_RUN_AS_NODE: '1',
    ...(skipPlatformCheck === undefined ? {} : { NODE_SKIP_PLATFORM_CHECK: skipPlatformCheck }),
  };
}

function keepAlive(child: ChildProcess, alive: boolean): void {
  if (alive) {
    child.ref();
    child.channel?.ref();
  } else {
    child.unref();
    child.channel?.unref();
  }
}

function describeExit(child: ChildProcess): string {
  return child.signalCode === null ? `exit code ${child.exitCode ?? 'unknown'}` : `signal ${child.signalCode}`;
}

/** V8 aborts a process whose heap is full; nothing else ends this one in the middle of a request. */
function exitFailure(child: ChildProcess): RenderedPieces {
  return {
    kind: 'limit',
    limit: 'memory',
    message: `its process, which may use ${RENDER_HEAP_MIB} MiB, ended with ${describeExit(child)}`,
  };
}

/** `work`, or what `late` makes of it after `timeMs`. */
async function within<T>(timeMs: number, work: Promise<T>, late: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, timeMs, 'late');
  });
  try {
    const first = await Promise.race([work.then((value) => ({ value })), timeout]);
    return first === 'late' ? await late() : first.value;
  } finally {
    clearTimeout(timer);
  }
}

/** `work`, or a rejection with the signal's reason as soon as it is aborted. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      // The reason is the caller's own value.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(signal.reason);
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}
