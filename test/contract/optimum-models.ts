/**
 * The tiny folders that optimum-cli exported (models/optimum-*), and what Intel's tools answered on them. It runs
 * nothing; make_optimum_models.py made them.
 */
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

const MODELS_FOLDER = path.join('test', 'contract', 'models');
const PACKED_XML = 'openvino_model.xml.gz';

export const OPTIMUM_MODELS = [
  'optimum-int4-sym-gs16',
  'optimum-int4-asym-gs32-ratio06',
  'optimum-int4-sym-channel',
  'optimum-int8',
  'optimum-fp16',
] as const;
export type OptimumModel = (typeof OPTIMUM_MODELS)[number];

/** Eight layers, int4, symmetric, one scale a channel: what Intel's NPUs take. NPUW wants at least 8 layers. */
export const OPTIMUM_MODEL_FOR_NPU = 'optimum-int4-sym-channel' satisfies OptimumModel;

export interface OptimumAnswers {
  /** Device properties under which the peers answered. */
  readonly properties: Readonly<Record<string, string>>;
  readonly prompts: readonly {
    readonly tokenIds: readonly number[];
    /** The first 40; end-of-text tokens do not occur. */
    readonly greedyTokenIds: readonly number[];
    /** f32 [vocabulary], after the prompt, to five decimals. */
    readonly firstLogits: readonly number[];
  }[];
}

export function optimumAnswers(model: OptimumModel): OptimumAnswers {
  return JSON.parse(readFileSync(path.join(MODELS_FOLDER, model, 'greedy.json'), 'utf8')) as OptimumAnswers;
}

/** A copy of the folder as optimum-cli wrote it, its XML unpacked; removed on disposal. */
export class OptimumFolder implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async unpack(model: OptimumModel): Promise<OptimumFolder> {
    const folder = new OptimumFolder(await mkdtemp(path.join(tmpdir(), 'aipc-optimum-')));
    await cp(path.join(MODELS_FOLDER, model), folder.path, { recursive: true });
    const packed = path.join(folder.path, PACKED_XML);
    await writeFile(path.join(folder.path, 'openvino_model.xml'), gunzipSync(await readFile(packed)));
    await rm(packed);
    await rm(path.join(folder.path, 'greedy.json'));
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
