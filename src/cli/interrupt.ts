/** Ctrl-C as an AbortSignal: the first one ends the work tidily, the second one ends the process. */
import { exitCodes } from './exit.js';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Restores the default behaviour of Ctrl-C. */
  stop(): void;
}

/** SIGHUP: the terminal's window was closed. SIGBREAK: Ctrl-Break, on Windows, which knows no SIGTERM. */
const SIGNALS: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  ...(process.platform === 'win32' ? (['SIGBREAK'] as const) : []),
];

export function watchInterrupts(): Interrupt {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(new DOMException('Interrupted.', 'AbortError'));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    stop: () => SIGNALS.forEach((signal) => process.off(signal, onSignal)),
  };
}
