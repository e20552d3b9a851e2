/**
 * Which of several .onnx files is meant, by their names alone: onnx-community keeps one model in many weight formats in a
 * folder `onnx/`, each a file with its data files. It opens none of them.
 * Names: transformers.js, src/utils/dtypes.js (DEFAULT_DTYPE_SUFFIX_MAPPING).
 */
import type { WeightFormat } from '../convert/recipe.js';
import { NotFoundError } from '../errors.js';

/** What the end of a name says of the weights; where several have one format, the best for a CPU is first. */
const SUFFIXES: Readonly<Record<string, WeightFormat>> = {
  q4: 'int4',
  q4f16: 'int4',
  bnb4: 'int4',
  quantized: 'int8',
  q8: 'int8',
  int8: 'int8',
  uint8: 'int8',
  fp16: 'fp16',
  fp32: 'fp32',
};
const SUFFIX_ORDER = Object.keys(SUFFIXES);

export const ONNX_GRAPH = /\.onnx$/iu;

export function onnxWeightFormat(file: string): WeightFormat {
  return SUFFIXES[suffixOf(file)] ?? 'fp32';
}

function suffixOf(file: string): string {
  return /_([a-z0-9]+)\.onnx$/iu.exec(file)?.[1]?.toLowerCase() ?? '';
}

/**
 * The .onnx file that is meant of `files`: the only one, or the best of the asked format. `where` is for the message.
 * Throws MODEL_FILE_MISSING where that does not tell, with what there is to choose from.
 */
export function chooseOnnxFile(
  where: string,
  files: readonly string[],
  weightFormat: WeightFormat | undefined,
): string {
  const fitting = files.filter((file) => weightFormat === undefined || onnxWeightFormat(file) === weightFormat);
  const rank = (file: string): number => SUFFIX_ORDER.indexOf(suffixOf(file));
  const [best, ...others] = fitting.sort((a, b) => rank(a) - rank(b));
  if (best !== undefined && (others.length === 0 || weightFormat !== undefined)) return best;
  const formats = [...new Set(files.map((file) => onnxWeightFormat(file)))];
  const problem =
    best === undefined
      ? `holds no ONNX file in ${weightFormat ?? 'any format'}, by its name`
      : 'holds several ONNX files, and which one is meant must be said';
  const list = files.map((file) => `${file} (${onnxWeightFormat(file)})`).slice(0, MAX_LISTED);
  throw new NotFoundError(
    'MODEL_FILE_MISSING',
    `${where} ${problem}: ${list.join(', ')}${files.length > MAX_LISTED ? ', ...' : ''}. ` +
      `Choose with --weight-format ${formats.join('|')}, or name the file.`,
    { details: { where, found: files.slice(0, MAX_LISTED), weightFormats: formats } },
  );
}

const MAX_LISTED = 16;

/** The data files of a graph among `names`: `model_q4.onnx_data`, `model_q4.onnx_data_1`, `model.onnx.data`. */
export function dataFilesOf(graph: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => name.startsWith(graph) && /^[._]data(?:_\d+)?$/u.test(name.slice(graph.length)));
}
