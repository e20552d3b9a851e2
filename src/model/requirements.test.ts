import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  conversionBytes,
  memoryBytes,
  requireRoom,
  thisMachine,
  type MachineRoom,
  type ModelNeeds,
} from './requirements.js';

const GB = 1e9;
const PHI_3_MINI: ModelNeeds = {
  id: 'phi-3-mini-4k',
  runtime: 'onnxruntime',
  downloadBytes: 2.72 * GB,
  downloadFolder: '/hub',
  conversion: null,
  weightBytes: 2.72 * GB,
  shape: { layers: 32, kvHeads: 32, headSize: 96 },
  contextTokens: 4096,
};
const CONVERTED: ModelNeeds = {
  ...PHI_3_MINI,
  downloadBytes: 7.64 * GB,
  conversion: { bytes: 2.9 * GB, folder: '/aipc' },
};

/** Free bytes by folder; folders of the same number share a disk. */
function machine(
  memory: number,
  disks: Readonly<Record<string, readonly [id: number, freeBytes: number]>>,
): MachineRoom {
  return {
    memoryBytes: memory,
    diskOf: (folder) => {
      const [id, freeBytes] = disks[folder] ?? [0, Infinity];
      return Promise.resolve({ id, freeBytes });
    },
  };
}

describe('what a model takes of the machine', () => {
  it('counts the whole context that ONNX Runtime claims: 0.79 MB a token for Phi-3-mini', () => {
    const withContext = memoryBytes(PHI_3_MINI) ?? 0;
    const without = memoryBytes({ ...PHI_3_MINI, contextTokens: 0 }) ?? 0;
    expect((withContext - without) / 4096).toBe(2 * 32 * 32 * 96 * 4);
    expect(memoryBytes({ ...PHI_3_MINI, weightBytes: null })).toBeUndefined();
  });

  it('expects an export of Phi-3-mini to be no larger than Microsoft’s of the same kind', () => {
    expect(conversionBytes(3.82e9, 'int4', 'onnxruntime')).toBeGreaterThan(2.72 * GB);
    expect(conversionBytes(3.82e9, 'int4', 'openvino')).toBeGreaterThan(2.15 * GB);
    expect(conversionBytes(3.82e9, 'int4', 'openvino')).toBeLessThan(3 * GB);
  });

  it.each([
    ['enough of all', PHI_3_MINI, machine(16 * GB, { '/hub': [1, 3 * GB] })],
    ['two disks with enough each', CONVERTED, machine(16 * GB, { '/hub': [1, 8 * GB], '/aipc': [2, 3 * GB] })],
    ['one disk with enough for both', CONVERTED, machine(16 * GB, { '/hub': [1, 11 * GB], '/aipc': [1, 11 * GB] })],
    ['nothing known of the weights', { ...PHI_3_MINI, weightBytes: null }, machine(GB, { '/hub': [1, 3 * GB] })],
  ])('lets through: %s', async (_, needs, room) => {
    await expect(requireRoom(needs, room)).resolves.toBeUndefined();
  });

  it.each([
    ['the download', PHI_3_MINI, machine(16 * GB, { '/hub': [1, 2 * GB] }), 2.72 * GB, 2 * GB],
    ['the conversion', CONVERTED, machine(16 * GB, { '/hub': [1, 8 * GB], '/aipc': [2, 2 * GB] }), 2.9 * GB, 2 * GB],
    [
      'both on one disk',
      CONVERTED,
      machine(16 * GB, { '/hub': [1, 9 * GB], '/aipc': [1, 9 * GB] }),
      10.54 * GB,
      9 * GB,
    ],
  ])('refuses a disk without room for %s', async (_, needs, room, neededBytes, availableBytes) => {
    await expect(requireRoom(needs, room, ['smollm2-135m'])).rejects.toMatchObject({
      code: 'DISK_INSUFFICIENT',
      details: { neededBytes, availableBytes },
      message: expect.stringMatching(/Nothing was fetched.*Smaller: smollm2-135m/u) as string,
    });
  });

  it('refuses too little memory, with the context that would fit and what is smaller', async () => {
    const room = machine(6 * GB, { '/hub': [1, 100 * GB] });
    const error: unknown = await requireRoom(PHI_3_MINI, room, ['demo']).catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      code: 'MEMORY_INSUFFICIENT',
      message: expect.stringMatching(/--context-tokens \d+\) it fits. Smaller: demo\./u) as string,
    });
    const { fitsContextTokens } = (error as { details: { fitsContextTokens: number } }).details;
    await expect(requireRoom({ ...PHI_3_MINI, contextTokens: fitsContextTokens }, room)).resolves.toBeUndefined();
    await expect(requireRoom({ ...PHI_3_MINI, contextTokens: fitsContextTokens + 256 }, room)).rejects.toThrow();
  });

  it('advises no context where not even the weights fit', async () => {
    await expect(requireRoom(PHI_3_MINI, machine(2 * GB, {}))).rejects.toMatchObject({
      message: expect.not.stringContaining('--context-tokens') as string,
      details: { fitsContextTokens: null },
    });
  });

  it('looks at the disk of a folder that is not there yet', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'aipc-room-'));
    try {
      const machineRoom = thisMachine();
      expect(machineRoom.memoryBytes).toBeGreaterThan(0);
      const [below, itself] = [path.join(folder, 'a', 'b'), folder];
      expect((await machineRoom.diskOf(below)).id).toBe((await machineRoom.diskOf(itself)).id);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
