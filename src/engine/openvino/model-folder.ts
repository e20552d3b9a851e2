/**
 * Which graph of a folder a device runs: aipc's own folders have two, of ready-made ones the CPU and the GPU run a copy
 * that computes just the rows of logits that are wanted.
 */
import { access } from 'node:fs/promises';
import path from 'node:path';
import { LOGITS_ROWS_XML, MODEL_XML, readIr, type IrOutline } from './ir-outline.js';
import { rewriteLogitsRows, withLogitsFirstRow } from './logits-rows.js';
import { readOpenvinoModelConfig, type OpenvinoModelConfig } from './model-config.js';

/** A folder, opened. Disposal removes what was made for loading; the folder itself stays as it is. */
export interface OpenedFolder extends AsyncDisposable {
  readonly config: OpenvinoModelConfig;
  /** Of the graph that runs; `xmlFile` in it is the folder's. */
  readonly outline: IrOutline;
  /** The XML to load. */
  readonly xmlFile: string;
}

/** `device` is OpenVINO's name. Throws MODEL_FILE_MISSING, FILE_*, TENSOR_*, MODEL_FEATURE_UNSUPPORTED. */
export async function openModelFolder(folder: string, device: string): Promise<OpenedFolder> {
  const config = await readOpenvinoModelConfig(folder);
  const { xml, outline } = await readIr(folder, await chooseXml(folder, device));
  // NPUW cuts the rows by itself.
  const rewritten = device === 'NPU' ? undefined : await rewriteLogitsRows(xml, outline.binFile);
  if (rewritten === undefined) {
    return { config, outline, xmlFile: outline.xmlFile, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  return {
    config,
    outline: { ...outline, inputs: withLogitsFirstRow(outline.inputs) },
    xmlFile: rewritten.file,
    [Symbol.asyncDispose]: () => rewritten[Symbol.asyncDispose](),
  };
}

async function chooseXml(folder: string, device: string): Promise<string> {
  if (device === 'NPU') return MODEL_XML;
  return access(path.join(folder, LOGITS_ROWS_XML)).then(
    () => LOGITS_ROWS_XML,
    () => MODEL_XML,
  );
}
