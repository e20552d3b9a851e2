/**
 * The graphs that the directed sweep over nodes goes through, one after another: whole decoders, and a decoder with one
 * more node of each operator that they do not have.
 */
import type { DirectedSweep } from './mutate/directed-sweep.js';
import { sweepNodes } from './mutate/onnx-nodes.js';
import { isSample, OPERATOR_SAMPLES, withSample } from './operator-samples.js';
import type { SeedModel } from './seeds.js';

export interface SweptModel extends SeedModel {
  readonly sweep: DirectedSweep;
}

const MODEL_FILE = 'model.onnx';

function graphOf({ name, files }: SeedModel): Buffer {
  const graph = files.get(MODEL_FILE);
  if (graph === undefined) throw new RangeError(`${name} has no ${MODEL_FILE}`);
  return graph;
}

/** `base`: a decoder in f16 whose graph has operators of ONNX alone. */
export function sweptModels(decoders: readonly SeedModel[], base: SeedModel): SweptModel[] {
  return [
    ...decoders.map((model) => ({ ...model, sweep: sweepNodes(graphOf(model)) })),
    ...sampleModels(base).map((model) => ({ ...model, sweep: sweepNodes(graphOf(model), isSample) })),
  ];
}

export function sampleModels(base: SeedModel): SeedModel[] {
  const count = new Map<string, number>();
  return OPERATOR_SAMPLES.map((sample) => {
    const number = (count.get(sample.operator) ?? 0) + 1;
    count.set(sample.operator, number);
    const files = new Map([...base.files, [MODEL_FILE, withSample(graphOf(base), sample)] as const]);
    return { name: `${sample.operator} sample ${number}`, files };
  });
}

/** The first change of a model's sweep that is described by `what`, with the model's files around it. */
export function findChange(models: readonly SweptModel[], name: string, what: RegExp): Map<string, Buffer> {
  const model = models.find((swept) => swept.name === name);
  if (model === undefined) throw new RangeError(`no model ${name}`);
  for (let number = 0; number < model.sweep.length; number += 1) {
    if (what.test(model.sweep.describe(number))) {
      return new Map([...model.files, [MODEL_FILE, model.sweep.make(number).bytes]]);
    }
  }
  throw new RangeError(`no change of ${name} is described by ${what.source}`);
}
