/** Ctrl-C as an AbortSignal: the first one ends the work tidily, the second one ends the process. */
import { exitCodes } from './exit.js';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Restores the default behaviour of Ctrl-C. */
  stop(): void;
}

export function watchInterrupts(): Interrupt {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(new DOMException('Interrupted.', 'AbortError'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    stop: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
