/**
 * Every error that aipc raises on purpose: one base class, one subclass for each kind of remedy,
 * one stable `code` for each case. It does not wrap programming mistakes (TypeError and the like pass through),
 * nor aborts: those rethrow the AbortSignal's own reason.
 */

/** Stable, machine-readable causes. Codes are never renamed; new ones may be added. */
export type AipcErrorCode =
  // ModelFormatError: a file is damaged, hostile or not what its name says
  | 'FILE_TRUNCATED'
  | 'FILE_MALFORMED'
  | 'FILE_LIMIT_EXCEEDED'
  | 'CHECKSUM_MISMATCH'
  | 'TENSOR_MISSING'
  | 'TENSOR_SHAPE_MISMATCH'
  | 'TOKENIZER_MALFORMED'
  | 'CHAT_TEMPLATE_FAILED'
  | 'CHAT_TEMPLATE_LIMIT_EXCEEDED'
  // UnsupportedError: well-formed, but not something aipc can run
  | 'ARCHITECTURE_UNSUPPORTED'
  | 'DTYPE_UNSUPPORTED'
  | 'TOKENIZER_UNSUPPORTED'
  | 'MODEL_FEATURE_UNSUPPORTED'
  // NotFoundError: something that must exist does not
  | 'MODEL_NOT_FOUND'
  | 'MODEL_FILE_MISSING'
  | 'RUNTIME_LIBRARY_NOT_FOUND'
  | 'DEVICE_NOT_FOUND'
  | 'SOURCE_UNREACHABLE'
  | 'ACCESS_DENIED'
  // OptionError: the caller asked for something that cannot be
  | 'OPTION_UNKNOWN'
  | 'OPTION_INVALID'
  | 'INPUT_INVALID'
  | 'CONTEXT_EXCEEDED'
  // ResourceError: the machine lacks room
  | 'MEMORY_INSUFFICIENT'
  | 'DISK_INSUFFICIENT'
  | 'SLOTS_EXHAUSTED'
  | 'FONT_MISSING'
  // EngineError: a native runtime failed
  | 'RUNTIME_FAILED'
  | 'RUNTIME_INCOMPATIBLE'
  | 'SLOT_LOST'
  // UsageError: the object's life cycle was violated
  | 'DISPOSED'
  | 'BUSY';

export interface AipcErrorOptions {
  readonly cause?: unknown;
  /** Facts for programs: file, offset, tensor, found, allowed... Plain JSON values. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The base of every error that aipc raises on purpose. The message says what, where, and what to do. */
export class AipcError extends Error {
  readonly code: AipcErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: AipcErrorCode, message: string, options: AipcErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** A model file is truncated, malformed, over a limit or inconsistent. */
export class ModelFormatError extends AipcError {}
/** The input is sound, but names an architecture, dtype or feature that aipc does not run. */
export class UnsupportedError extends AipcError {}
/** A model, file, library or device is not there. */
export class NotFoundError extends AipcError {}
/** An option or an input is unknown, of the wrong type or out of range. */
export class OptionError extends AipcError {}
/** Not enough memory, disk or slots. */
export class ResourceError extends AipcError {}
/** A native runtime reported a failure. */
export class EngineError extends AipcError {}
/** An object was used after disposal or while it must not be. */
export class UsageError extends AipcError {}
