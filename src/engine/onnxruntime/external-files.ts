/**
 * The files in which an ONNX file keeps tensors: each must be inside the folder and as long as the tensors in it need, and
 * those of few whole numbers are read from it, in the end. It knows nothing of the graph.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { ModelFormatError, NotFoundError } from '../../errors.js';
import { openRegularFile, refuseStrayLink, unreadable } from '../../file-system.js';
import { resolveInside } from '../model-json.js';
import type { OnnxTensor } from './onnx-tensor.js';
import type { ProtoReader } from './proto-reader.js';

interface SmallTensor {
  readonly offset: number;
  readonly bytes: number;
  readonly fill: (bytes: Buffer) => void;
}

export class ExternalFiles {
  readonly #reader: ProtoReader;
  /** For each location, how many bytes the file must have, and what is read of it. */
  readonly #locations = new Map<string, { neededBytes: number; readonly small: SmallTensor[] }>();

  constructor(reader: ProtoReader) {
    this.#reader = reader;
  }

  /** A tensor of `bytes`; `fill` takes them when they are read. */
  add(
    { location, offset, endBytes }: NonNullable<OnnxTensor['external']>,
    bytes: number,
    fill: ((bytes: Buffer) => void) | undefined,
  ): void {
    const known = this.#locations.get(location) ?? { neededBytes: 0, small: [] };
    known.neededBytes = Math.max(known.neededBytes, endBytes);
    if (fill !== undefined) known.small.push({ offset, bytes, fill });
    this.#locations.set(location, known);
  }

  /** Returns the bytes of all the files. Throws MODEL_FILE_MISSING, FILE_MALFORMED, FILE_TRUNCATED. */
  async check(): Promise<number> {
    const files: { readonly file: string; readonly small: readonly SmallTensor[] }[] = [];
    let totalBytes = 0;
    for (const [location, { neededBytes, small }] of this.#locations) {
      const { file, size } = await this.#checkFile(location, neededBytes);
      totalBytes += size;
      if (small.length > 0) files.push({ file, small });
    }
    for (const { file, small } of files) await readSmallTensors(file, small);
    return totalBytes;
  }

  async #checkFile(location: string, neededBytes: number): Promise<{ readonly file: string; readonly size: number }> {
    const modelFile = this.#reader.file;
    const folder = path.dirname(modelFile);
    const file = resolveInside(folder, location, (name) =>
      this.#reader.malformed(`it keeps weights in '${name}', which is not inside ${folder}`),
    );
    await refuseStrayLink(file, modelFile);
    const found = await stat(file).catch((cause: unknown) => {
      throw new NotFoundError(
        'MODEL_FILE_MISSING',
        `${file} is missing: ${modelFile} keeps weights in it. Download or export the model anew.`,
        { cause, details: { file } },
      );
    });
    if (!found.isFile()) {
      throw this.#reader.malformed(`it keeps weights in '${location}', which is not a regular file`);
    }
    const { size } = found;
    if (size < neededBytes) {
      throw new ModelFormatError(
        'FILE_TRUNCATED',
        `${file} has ${size} bytes; ${modelFile} says that its weights take ${neededBytes}. Download or export it anew.`,
        { details: { file, size, neededBytes } },
      );
    }
    return { file, size };
  }
}

async function readSmallTensors(file: string, small: readonly SmallTensor[]): Promise<void> {
  try {
    await using handle = await openRegularFile(file);
    for (const { offset, bytes, fill } of small) {
      const buffer = Buffer.alloc(bytes);
      const { bytesRead } = await handle.read(buffer, 0, bytes, offset);
      fill(buffer.subarray(0, bytesRead));
    }
  } catch (error) {
    throw unreadable(file, error, 'Export or download it anew.');
  }
}
