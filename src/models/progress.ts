/** Progress of getting a model ready. It does not draw anything. */

export interface LoadProgress {
  /** compile: the runtime prepares the model for a GPU or an NPU. */
  readonly phase: 'download' | 'convert' | 'compile' | 'load';
  /** What is being fetched, converted or loaded, in words. */
  readonly label: string;
  /** 0 to totalBytes; both null while the size is unknown. */
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
  /** Of a download, over the last seconds; null or left out: not known. */
  readonly bytesPerSecond?: number | null;
}

export type OnLoadProgress = (progress: LoadProgress) => void;
