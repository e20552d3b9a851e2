/** Progress of getting a model ready. It does not draw anything. */

export interface LoadProgress {
  readonly phase: 'download' | 'convert' | 'load';
  /** What is being fetched, converted or loaded, in words. */
  readonly label: string;
  /** 0 to totalBytes; both null while the size is unknown. */
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
}

export type OnLoadProgress = (progress: LoadProgress) => void;
