/**
 * What a model will take of the machine, told before anything is fetched: disk for the download and the conversion,
 * memory to run. The engine checks the memory again when it loads the model, with the file itself at hand and against
 * what is free at that moment; this compares with what the machine has at all, since a download takes longer than
 * closing programs.
 */
import { stat, statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { WeightFormat } from '../convert/recipe.js';
import { formatBytes, MEMORY_RESERVE_BYTES } from '../engine/memory.js';
import { ResourceError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import type { DecoderShape } from '../models/catalogue-entry.js';

export interface ModelNeeds {
  /** For messages. */
  readonly id: string;
  readonly runtime: 'onnxruntime' | 'openvino';
  /** Bytes that have to be fetched. */
  readonly downloadBytes: number;
  readonly downloadFolder: string;
  /** Null: it runs as it is. */
  readonly conversion: { readonly bytes: number; readonly folder: string } | null;
  /** Of the weights that run; null: not known. */
  readonly weightBytes: number | null;
  /** Null: not known. */
  readonly shape: DecoderShape | null;
  /** Most tokens of prompt and answer; null: not known. */
  readonly contextTokens: number | null;
}

/** What the machine has. */
export interface MachineRoom {
  /** Of the whole machine, or of the container. */
  readonly memoryBytes: number;
  /** Free bytes where `folder` is or would be, and which disk that is. */
  diskOf(folder: string): Promise<{ readonly id: number; readonly freeBytes: number }>;
}

/**
 * Bytes for each weight that an export takes, embeddings and scales included, rounded up. Measured on Phi-3-mini's shape:
 * ONNX keeps the embedding in fp32 and a fp32 scale for 32 weights (2.72 GB for 3.8 billion in int4).
 */
const BYTES_PER_WEIGHT: Readonly<Record<ModelNeeds['runtime'], Readonly<Record<WeightFormat, number>>>> = {
  onnxruntime: { int4: 0.75, int8: 1.3, fp16: 2.1, fp32: 4.1 },
  openvino: { int4: 0.65, int8: 1.05, fp16: 2.05, fp32: 4.05 },
};

/** How much a conversion takes on the disk, about. */
export function conversionBytes(
  parameters: number,
  weightFormat: WeightFormat,
  runtime: ModelNeeds['runtime'],
): number {
  return Math.ceil(parameters * BYTES_PER_WEIGHT[runtime][weightFormat]);
}

/** ONNX Runtime packs quantised weights anew when it loads them; OpenVINO maps the file. */
const MEMORY_PER_WEIGHT_BYTE = { onnxruntime: 1.4, openvino: 1 } as const;
/** ONNX Runtime claims a whole context in f32; OpenVINO takes memory as a conversation grows. */
const KV_BYTES_PER_VALUE = { onnxruntime: 4, openvino: 0 } as const;

/** Bytes of memory to run it; undefined: not known. */
export function memoryBytes({ runtime, weightBytes, shape, contextTokens }: ModelNeeds): number | undefined {
  if (weightBytes === null) return undefined;
  const kv = shape === null || contextTokens === null ? 0 : contextTokens * kvBytesPerToken(shape, runtime);
  return Math.ceil(weightBytes * MEMORY_PER_WEIGHT_BYTE[runtime] + kv);
}

function kvBytesPerToken({ layers, kvHeads, headSize }: DecoderShape, runtime: ModelNeeds['runtime']): number {
  return 2 * layers * kvHeads * headSize * KV_BYTES_PER_VALUE[runtime];
}

/** Least context that is worth running, for advice. */
const USEFUL_CONTEXT_TOKENS = 1024;

/**
 * Throws MEMORY_INSUFFICIENT or DISK_INSUFFICIENT, with what is needed, what was found and what would fit. `smaller`:
 * names of models that need less, for that advice.
 */
export async function requireRoom(
  needs: ModelNeeds,
  room: MachineRoom = thisMachine(),
  smaller: readonly string[] = [],
): Promise<void> {
  requireMachineMemory(needs, room, smaller);
  await requireDisk(needs, room, smaller);
}

function requireMachineMemory(needs: ModelNeeds, room: MachineRoom, smaller: readonly string[]): void {
  const neededBytes = memoryBytes(needs);
  const foundBytes = room.memoryBytes - MEMORY_RESERVE_BYTES;
  if (neededBytes === undefined || neededBytes <= foundBytes) return;
  const { id, shape, contextTokens, runtime } = needs;
  const withoutContext = memoryBytes({ ...needs, contextTokens: 0 }) ?? 0;
  const perToken = shape === null ? 0 : kvBytesPerToken(shape, runtime);
  const fits = perToken === 0 ? 0 : Math.floor((foundBytes - withoutContext) / perToken / 256) * 256;
  const remedies = [
    ...(contextTokens !== null && fits >= USEFUL_CONTEXT_TOKENS && fits < contextTokens
      ? [`With a context of ${fits} tokens (--context-tokens ${fits}) it fits.`]
      : []),
    ...(smaller.length > 0 ? [`Smaller: ${smaller.join(', ')}.`] : []),
  ];
  throw new ResourceError(
    'MEMORY_INSUFFICIENT',
    `${id}${contextTokens === null ? '' : ` with a context of ${contextTokens} tokens`} needs ${formatBytes(neededBytes)} of memory; ` +
      `this machine has ${formatBytes(room.memoryBytes)}, of which ${formatBytes(MEMORY_RESERVE_BYTES)} stay for others. ` +
      `Nothing was fetched. ${remedies.join(' ')}`.trimEnd(),
    {
      details: {
        neededBytes,
        memoryBytes: room.memoryBytes,
        reserveBytes: MEMORY_RESERVE_BYTES,
        fitsContextTokens: fits > 0 ? fits : null,
      },
    },
  );
}

async function requireDisk(needs: ModelNeeds, room: MachineRoom, smaller: readonly string[]): Promise<void> {
  const claims = [
    { what: 'to download', bytes: needs.downloadBytes, folder: needs.downloadFolder },
    ...(needs.conversion === null ? [] : [{ what: 'to convert', ...needs.conversion }]),
  ].filter(({ bytes }) => bytes > 0);
  const disks = new Map<number, { freeBytes: number; claims: typeof claims }>();
  for (const claim of claims) {
    const { id, freeBytes } = await room.diskOf(claim.folder);
    const disk = disks.get(id) ?? { freeBytes, claims: [] };
    disk.claims.push(claim);
    disks.set(id, disk);
  }
  for (const { freeBytes, claims: onDisk } of disks.values()) {
    const neededBytes = onDisk.reduce((sum, { bytes }) => sum + bytes, 0);
    if (neededBytes <= freeBytes) continue;
    const parts = onDisk.map(({ what, bytes, folder }) => `${formatBytes(bytes)} ${what} in ${folder}`).join(', ');
    throw new ResourceError(
      'DISK_INSUFFICIENT',
      `${needs.id} needs ${parts}; ${formatBytes(freeBytes)} are free there. Nothing was fetched. Free some space ` +
        '(aipc list says what can go), or move the caches with HF_HOME and AIPC_CACHE.' +
        (smaller.length > 0 ? ` Smaller: ${smaller.join(', ')}.` : ''),
      { details: { neededBytes, availableBytes: freeBytes, folders: onDisk.map(({ folder }) => folder) } },
    );
  }
}

export function thisMachine(): MachineRoom {
  const limit = process.constrainedMemory();
  return {
    memoryBytes: limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem(),
    diskOf: async (folder) => {
      const existing = await nearestExisting(path.resolve(folder));
      const { bavail, bsize } = await statfs(existing);
      return { id: (await stat(existing)).dev, freeBytes: bavail * bsize };
    },
  };
}

async function nearestExisting(folder: string): Promise<string> {
  try {
    await stat(folder);
    return folder;
  } catch (error) {
    const parent = path.dirname(folder);
    if (!hasErrorCode(error, 'ENOENT', 'ENOTDIR') || parent === folder) throw error;
    return nearestExisting(parent);
  }
}
