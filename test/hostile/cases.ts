/**
 * A hostile case out of its name, `target:seed:number`: which valid model, what of it is changed, how. The same name
 * gives the same files, whatever other cases there are. It writes and runs nothing.
 */
import { mutateBytes, type Mutated } from './mutate/bytes.js';
import { mutateGguf } from './mutate/gguf.js';
import { mutateIr, mutateIrConstant, sweepIrConstants, sweepLength } from './mutate/ir.js';
import { addIrProgram } from './mutate/ir-program.js';
import { mutateJson } from './mutate/json.js';
import { mutateOnnx } from './mutate/onnx.js';
import { mutateSafetensors } from './mutate/safetensors.js';
import { mutateTemplate } from './mutate/template.js';
import { Random } from './random.js';
import type { DirectedSweep } from './mutate/directed-sweep.js';
import { GGUF_FILE, type SeedModel, type Seeds } from './seeds.js';

/** What is attacked, and how many of a hundred cases go there. */
export const TARGETS = {
  safetensors: 14,
  shards: 8,
  gguf: 12,
  config: 10,
  tokenizer: 12,
  template: 6,
  genai: 6,
  onnx: 10,
  nodes: 2,
  plain: 4,
  openvino: 8,
  layers: 0,
  constants: 2,
  programs: 2,
  files: 4,
} as const;
export type Target = keyof typeof TARGETS;

/** What a user does with such a model. */
export type Use = 'weights' | 'tokenizer' | 'template' | 'onnx' | 'openvino';

/** A file's bytes, or what stands in its place. */
export type CaseFile =
  | Buffer
  | { readonly link: string }
  | { readonly folder: true }
  | { readonly pipe: true }
  | { readonly sparse: number };

export interface HostileCase {
  readonly id: string;
  readonly target: Target;
  readonly uses: readonly Use[];
  readonly files: ReadonlyMap<string, CaseFile>;
  /** The model is this file instead of the folder. */
  readonly file?: string;
  readonly what: string;
}

/** `count` names of cases: targets in their proportions, each numbered from 0. */
export function caseNames(seed: number, count: number, only?: Target): string[] {
  const targets = Object.keys(TARGETS) as Target[];
  if (only !== undefined) return Array.from({ length: count }, (_, i) => `${only}:${seed}:${i}`);
  const next = new Map(targets.map((target) => [target, 0]));
  const names: string[] = [];
  for (let n = 1; names.length < count; n += 1) {
    // The target that is furthest behind its share.
    const behind = (target: Target): number => (TARGETS[target] * n) / 100 - (next.get(target) ?? 0);
    const target = targets.reduce((most, other) => (behind(other) > behind(most) ? other : most));
    const number = next.get(target) ?? 0;
    next.set(target, number + 1);
    names.push(`${target}:${seed}:${number}`);
  }
  return names;
}

export function parseCaseName(id: string): Target {
  const found = /^(\w+):\d+:\d+$/.exec(id)?.[1];
  const target = (Object.keys(TARGETS) as Target[]).find((name) => name === found);
  if (target === undefined) throw new RangeError(`'${id}' names no case; one is safetensors:1:0`);
  return target;
}

export function makeCase(seeds: Seeds, id: string): HostileCase {
  const target = parseCaseName(id);
  const random = new Random(id);
  switch (target) {
    case 'safetensors':
      return change(random, id, target, ['weights'], random.pick(seeds.single), 'model.safetensors', mutateSafetensors);
    case 'shards': {
      const seed = random.pick(seeds.sharded);
      const shards = [...seed.files.keys()].filter((name) => name.endsWith('.safetensors'));
      const index = 'model.safetensors.index.json';
      return random.chance(0.6)
        ? change(random, id, target, ['weights'], seed, index, mutateJsonBytes)
        : change(random, id, target, ['weights'], seed, random.pick(shards), mutateSafetensors);
    }
    case 'gguf':
      return {
        ...change(random, id, target, ['weights', 'tokenizer'], random.pick(seeds.gguf), GGUF_FILE, mutateGguf),
        file: GGUF_FILE,
      };
    case 'config': {
      const name = random.chance(0.75) ? 'config.json' : 'generation_config.json';
      return change(random, id, target, ['weights'], random.pick(seeds.single), name, mutateJsonBytes);
    }
    case 'tokenizer': {
      const name = random.chance(0.8) ? 'tokenizer.json' : 'tokenizer_config.json';
      return change(
        random,
        id,
        target,
        ['tokenizer'],
        random.pick([...seeds.single, ...seeds.openvino]),
        name,
        mutateJsonBytes,
      );
    }
    case 'template': {
      const seed = random.pick([...seeds.single, ...seeds.openvino]);
      const source = templateOf(seed);
      const { bytes, what } = mutateTemplate(random, source);
      const files = new Map([...seed.files, ['chat_template.jinja', bytes]]);
      return { id, target, uses: ['template'], files, what: `${seed.name}, chat template: ${what}` };
    }
    case 'genai':
      return change(random, id, target, ['onnx'], random.pick(seeds.onnx), 'genai_config.json', mutateJsonBytes);
    case 'onnx': {
      const seed = random.pick(seeds.onnx);
      return random.chance(0.85)
        ? change(random, id, target, ['onnx'], seed, 'model.onnx', mutateOnnx)
        : change(random, id, target, ['onnx'], seed, 'model.onnx.data', mutateBytes);
    }
    case 'plain':
      return change(random, id, target, ['onnx'], random.pick(seeds.plain), 'model.onnx', mutateOnnx);
    case 'constants':
      return sweptCase(seeds, id);
    case 'nodes':
      return sweptNode(seeds, id);
    case 'programs': {
      const { name, files } = random.pick(seeds.openvino);
      const bin = 'openvino_model.bin';
      // With one graph alone, so that it is this one that runs.
      const { [MODEL_XML]: xml, [bin]: weights } = Object.fromEntries(files);
      if (xml === undefined || weights === undefined) throw new RangeError(`${name} is no IR`);
      const made = addIrProgram(random, xml, weights);
      const changed = new Map([...files, [MODEL_XML, made.xml] as const, [bin, made.bin] as const]);
      changed.delete(LOGITS_ROWS_XML);
      return { id, target, uses: ['openvino'], files: changed, what: `${name}: ${made.what}` };
    }
    case 'layers':
      return sweptLayer(seeds, id);
    case 'openvino': {
      const seed = random.pick(seeds.openvino);
      const xml = [...seed.files.keys()].filter((name) => name.endsWith('.xml'));
      const kind = random.below(10);
      if (kind === 0) return change(random, id, target, ['openvino'], seed, 'config.json', mutateJsonBytes);
      if (kind === 1) return change(random, id, target, ['openvino'], seed, 'openvino_model.bin', mutateBytes);
      if (kind <= 3) {
        const graph = seed.files.get(random.pick(xml))?.toString() ?? '';
        return change(random, id, target, ['openvino'], seed, 'openvino_model.bin', (_, bin) =>
          mutateIrConstant(random, graph, bin),
        );
      }
      return change(random, id, target, ['openvino'], seed, random.pick(xml), mutateIr);
    }
    case 'files':
      return replaceFile(random, id, seeds);
  }
}

const MODEL_XML = 'openvino_model.xml';
const LOGITS_ROWS_XML = 'openvino_model_logits_rows.xml';
/** Parts of the sweep that different seeds begin with. */
const SWEEP_STRIDE = 7919;

/** Cases of the whole sweep over the small numbers in the weights of OpenVINO's folders. */
export function sweepTotal({ openvino }: Seeds): number {
  return openvino.reduce((sum, { files }) => sum + sweepLength(files.get(MODEL_XML)?.toString() ?? ''), 0);
}

/** The seed says where in the sweep number 0 is; as many cases as it has are all of it. */
function sweptCase(seeds: Seeds, id: string): HostileCase {
  const [, seed = 0, number = 0] = id.split(':').map(Number);
  let at = (seed * SWEEP_STRIDE + number) % sweepTotal(seeds);
  for (const { name, files } of seeds.openvino) {
    const xml = files.get(MODEL_XML)?.toString() ?? '';
    const bin = files.get('openvino_model.bin');
    if (at >= sweepLength(xml) || bin === undefined) {
      at -= sweepLength(xml);
      continue;
    }
    const { bytes, what } = sweepIrConstants(xml, bin, at);
    const changed = new Map([...files, ['openvino_model.bin', bytes] as const]);
    return { id, target: 'constants', uses: ['openvino'], files: changed, what: `${name}: ${what}` };
  }
  throw new RangeError(`${id} is beyond the sweep`);
}

/** Cases of the whole sweep over the nodes of ONNX graphs. */
export function nodesTotal({ swept }: Seeds): number {
  return swept.reduce((sum, { sweep }) => sum + sweep.length, 0);
}

function sweptNode(seeds: Seeds, id: string): HostileCase {
  return sweepCase(seeds.swept, id, nodesTotal(seeds), { target: 'nodes', use: 'onnx', file: 'model.onnx' });
}

/** Cases of the whole sweep over the layers of OpenVINO's graphs. */
export function layersTotal({ layered }: Seeds): number {
  return layered.reduce((sum, { sweep }) => sum + sweep.length, 0);
}

function sweptLayer(seeds: Seeds, id: string): HostileCase {
  return sweepCase(seeds.layered, id, layersTotal(seeds), { target: 'layers', use: 'openvino', file: MODEL_XML });
}

/** The seed says where in the sweep number 0 is. */
function sweepCase(
  models: readonly (SeedModel & { readonly sweep: DirectedSweep })[],
  id: string,
  total: number,
  { target, use, file }: { readonly target: Target; readonly use: Use; readonly file: string },
): HostileCase {
  const [, seed = 0, number = 0] = id.split(':').map(Number);
  let at = (seed * SWEEP_STRIDE + number) % total;
  for (const { name, files, sweep } of models) {
    if (at >= sweep.length) {
      at -= sweep.length;
      continue;
    }
    const { bytes, what } = sweep.make(at);
    return { id, target, uses: [use], files: new Map([...files, [file, bytes]]), what: `${name}: ${what}` };
  }
  throw new RangeError(`${id} is beyond the sweep`);
}

type Mutate = (random: Random, bytes: Buffer, other: Buffer) => Mutated;

function change(
  random: Random,
  id: string,
  target: Target,
  uses: readonly Use[],
  seed: SeedModel,
  name: string,
  mutate: Mutate,
): HostileCase {
  const valid = seed.files.get(name);
  if (valid === undefined) throw new RangeError(`${seed.name} has no ${name}`);
  const other = random.pick([...seed.files.values()]);
  const { bytes, what } = mutate(random, valid, other);
  return { id, target, uses, files: new Map([...seed.files, [name, bytes]]), what: `${seed.name}, ${name}: ${what}` };
}

function mutateJsonBytes(random: Random, bytes: Buffer): Mutated {
  return mutateJson(random, bytes.toString('utf8'));
}

function templateOf({ files }: SeedModel): string {
  const own = files.get('chat_template.jinja');
  if (own !== undefined) return own.toString('utf8');
  const config = JSON.parse(files.get('tokenizer_config.json')?.toString('utf8') ?? '{}') as { chat_template?: string };
  return config.chat_template ?? '{% for m in messages %}{{ m.content }}{% endfor %}';
}

const REPLACEMENTS: readonly (readonly [file: CaseFile | undefined, what: string])[] = [
  [undefined, 'missing'],
  [Buffer.alloc(0), 'empty'],
  [{ folder: true }, 'a folder'],
  [{ sparse: 2 ** 31 }, '2 GiB of zeros'],
  [{ sparse: 2 ** 42 }, '4 TiB of zeros'],
  // Windows has no pipes and devices in folders, and links for administrators alone.
  ...(process.platform === 'win32'
    ? []
    : ([
        [{ pipe: true }, 'a named pipe'],
        [{ link: '.' }, 'a link to its folder'],
        [{ link: 'nowhere' }, 'a link to nothing'],
        [{ link: 'self' }, 'a link to itself'],
        [{ link: '/dev/zero' }, 'a link to /dev/zero'],
        [{ link: '/proc/self/mem' }, 'a link to the memory of the process'],
      ] as const)),
];

/** Something else than a file where a file should be. */
function replaceFile(random: Random, id: string, seeds: Seeds): HostileCase {
  const [use, from] = random.pick([
    [
      ['weights', 'tokenizer', 'template'],
      [...seeds.single, ...seeds.sharded],
    ],
    [['onnx'], seeds.onnx],
    [['openvino', 'tokenizer', 'template'], seeds.openvino],
  ] as const);
  const seed = random.pick(from);
  const name = random.pick([...seed.files.keys()]);
  const [file, what] = random.pick(REPLACEMENTS);
  const files = new Map<string, CaseFile>([...seed.files]);
  if (file === undefined) files.delete(name);
  else files.set(name, 'link' in file && file.link === 'self' ? { link: name } : file);
  return { id, target: 'files', uses: use, files, what: `${seed.name}, ${name}: ${what}` };
}
