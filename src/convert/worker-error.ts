/**
 * Errors across threads: structured cloning keeps neither an AipcError's class nor its code and details.
 */
import {
  AipcError,
  EngineError,
  ModelFormatError,
  NotFoundError,
  OptionError,
  ResourceError,
  UnsupportedError,
  UsageError,
  type AipcErrorCode,
} from '../errors.js';

const CLASSES = {
  AipcError,
  EngineError,
  ModelFormatError,
  NotFoundError,
  OptionError,
  ResourceError,
  UnsupportedError,
  UsageError,
};

/** Plain data for an AipcError, otherwise the error itself (system errors keep their code in `systemCode`). */
export type WorkerError =
  | {
      readonly kind: 'aipc';
      readonly name: string;
      readonly code: AipcErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'other'; readonly error: unknown; readonly systemCode: string | null };

export function packError(error: unknown): WorkerError {
  if (error instanceof AipcError) {
    const { name, code, message, details } = error;
    return { kind: 'aipc', name, code, message, details };
  }
  const systemCode = error instanceof Error && 'code' in error ? String(error.code) : null;
  return { kind: 'other', error, systemCode };
}

export function unpackError(packed: WorkerError): unknown {
  if (packed.kind === 'aipc') {
    const known = Object.entries(CLASSES).find(([name]) => name === packed.name)?.[1] ?? AipcError;
    return new known(packed.code, packed.message, { details: packed.details });
  }
  if (packed.systemCode !== null && packed.error instanceof Error) {
    return Object.assign(packed.error, { code: packed.systemCode });
  }
  return packed.error;
}
