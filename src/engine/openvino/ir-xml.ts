/**
 * Streams an IR's XML into a list of layers, edges and rt_info. The file may come from a stranger: size, counts, depth
 * and lengths are limited, entities and DTDs are not expanded, and memory stays small. It knows the format, not what
 * a decoder looks like.
 * Format: OpenVINO's documentation "IR format", openvino/core/xml_util (xml_deserialize_util.cpp).
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import sax from 'sax';
import { ModelFormatError, NotFoundError } from '../../errors.js';

/** Phi-3-mini's has 3 MB; a model of 128 layers four times that. */
export const MAX_XML_BYTES = 128 * 2 ** 20;
/** Phi-3-mini has 4500 layers. */
export const MAX_LAYERS = 2 ** 17;
/** net/layers/layer/output/port/dim is 6; a body (If, Loop) adds 4, and rt_info may nest freely. */
export const MAX_DEPTH = 32;
/** An attribute that is kept: names of tensors, shapes. Longer ones are not sound. */
export const MAX_ATTRIBUTE_LENGTH = 4096;
export const MAX_RT_INFO_ENTRIES = 4096;

export interface IrPort {
  readonly id: string;
  /** `FP32`, `I64`... */
  readonly precision: string;
  /** Names of the tensor. */
  readonly names: readonly string[];
  /** Dimensions, -1 where they are dynamic. */
  readonly dims: readonly number[];
}

export interface IrLayer {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** The attributes of <data>. */
  readonly data: Readonly<Record<string, string>>;
  readonly outputs: readonly IrPort[];
}

export interface IrXml {
  readonly file: string;
  readonly xmlBytes: number;
  readonly version: number;
  /** Of the main graph, by id. */
  readonly layers: ReadonlyMap<string, IrLayer>;
  /** For input port `layer:port`, the layer that feeds it. */
  readonly sources: ReadonlyMap<string, string>;
  /** Of all graphs. */
  readonly constants: readonly IrConstant[];
  /** Values of the model's rt_info, by path: `runtime_options/KV_CACHE_PRECISION`. */
  readonly rtInfo: ReadonlyMap<string, string>;
}

/** A constant of the graph or of a body in it: `size` bytes at `offset` of the .bin. */
export interface IrConstant {
  readonly name: string;
  readonly elementType: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
}

interface MutableLayer extends IrLayer {
  data: Record<string, string>;
  outputs: { id: string; precision: string; names: string[]; dims: number[] }[];
}

/** Reads `file`. Throws MODEL_FILE_MISSING, FILE_LIMIT_EXCEEDED, FILE_TRUNCATED, FILE_MALFORMED. */
export async function readIrXml(file: string): Promise<IrXml> {
  const xmlBytes = await stat(file).then(
    ({ size }) => size,
    (cause: unknown) => {
      throw new NotFoundError(
        'MODEL_FILE_MISSING',
        `${file} cannot be opened (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}). ` +
          'Give the folder that `aipc export openvino` or optimum-cli made.',
        { cause, details: { file } },
      );
    },
  );
  if (xmlBytes > MAX_XML_BYTES) {
    throw new ModelFormatError(
      'FILE_LIMIT_EXCEEDED',
      `${file}: ${xmlBytes} bytes, at most ${MAX_XML_BYTES} are read. The weights of an IR are in its .bin.`,
      { details: { file, size: xmlBytes, limit: MAX_XML_BYTES } },
    );
  }
  const reader = new IrXmlReader(file);
  for await (const chunk of createReadStream(file, { encoding: 'utf8' })) reader.write(chunk as string);
  return { file, xmlBytes, ...reader.finish() };
}

type Attributes = Readonly<Record<string, string>>;

class IrXmlReader {
  readonly #file: string;
  readonly #parser = sax.parser(true, { position: true });
  readonly #path: string[] = [];
  /** How many <body> of If, Loop or TensorIterator are open: their layers have ids of their own. */
  #bodies = 0;
  #version: number | undefined;
  #isClosed = false;
  #layer: MutableLayer | undefined;
  #text = '';
  #layerCount = 0;
  readonly #layers = new Map<string, IrLayer>();
  readonly #sources = new Map<string, string>();
  readonly #constants: IrConstant[] = [];
  readonly #rtInfo = new Map<string, string>();

  constructor(file: string) {
    this.#file = file;
    this.#parser.onerror = (error) => {
      throw this.#malformed(`not sound XML (${error.message.split('\n').join(', ')})`);
    };
    this.#parser.onopentag = ({ name, attributes }) => this.#open(name, attributes as Attributes);
    this.#parser.onclosetag = (name) => this.#close(name);
    this.#parser.ontext = (text) => {
      this.#text = text;
    };
  }

  write(chunk: string): void {
    this.#parser.write(chunk);
  }

  finish(): Omit<IrXml, 'file' | 'xmlBytes'> {
    if (!this.#isClosed) {
      throw new ModelFormatError(
        'FILE_TRUNCATED',
        `${this.#file} ends before </net>. Download or export the model anew.`,
        { details: { file: this.#file } },
      );
    }
    return {
      version: this.#version ?? 0,
      layers: this.#layers,
      sources: this.#sources,
      constants: this.#constants,
      rtInfo: this.#rtInfo,
    };
  }

  #malformed(what: string): ModelFormatError {
    return new ModelFormatError('FILE_MALFORMED', `${this.#file}: ${what}. This is not a sound OpenVINO IR.`, {
      details: { file: this.#file },
    });
  }

  #limit(what: string, limit: number): ModelFormatError {
    return new ModelFormatError('FILE_LIMIT_EXCEEDED', `${this.#file}: more than ${limit} ${what}.`, {
      details: { file: this.#file, limit },
    });
  }

  #open(name: string, attributes: Attributes): void {
    const parent = this.#path.at(-1);
    this.#path.push(name);
    if (this.#path.length > MAX_DEPTH) throw this.#limit('levels of elements', MAX_DEPTH);
    this.#text = '';
    if (parent === undefined) {
      if (name !== 'net') throw this.#malformed(`its root is <${name.slice(0, 80)}>, not <net>`);
      this.#version = this.#count(attributes, 'version');
    } else if (name === 'body') {
      this.#bodies += 1;
    } else if (name === 'layer' && parent === 'layers') {
      this.#openLayer(attributes);
    } else if (name === 'data' && parent === 'layer') {
      this.#readData(attributes);
    } else if (name === 'port' && parent === 'output') {
      const names = splitNames(this.#attribute(attributes, 'names') ?? '');
      const text = (key: string): string => this.#attribute(attributes, key) ?? '';
      this.#layer?.outputs.push({ id: text('id'), precision: text('precision'), names, dims: [] });
    } else if (name === 'edge' && this.#bodies === 0) {
      this.#readEdge(attributes);
    } else if (this.#path[1] === 'rt_info') {
      this.#readRtInfo(attributes);
    }
  }

  #close(name: string): void {
    this.#path.pop();
    if (name === 'net' && this.#path.length === 0) this.#isClosed = true;
    else if (name === 'body') this.#bodies -= 1;
    else if (name === 'layer' && this.#bodies === 0) this.#layer = undefined;
    else if (name === 'dim' && this.#path.at(-2) === 'output')
      this.#layer?.outputs.at(-1)?.dims.push(Number(this.#text));
  }

  #openLayer(attributes: Attributes): void {
    this.#layerCount += 1;
    if (this.#layerCount > MAX_LAYERS) throw this.#limit('layers', MAX_LAYERS);
    const text = (key: string): string => {
      const value = this.#attribute(attributes, key);
      if (value === undefined) throw this.#malformed(`layer ${this.#layerCount} has no ${key}`);
      return value;
    };
    const layer = { id: text('id'), name: text('name'), type: text('type'), data: {}, outputs: [] };
    this.#layer = layer;
    if (this.#bodies > 0) return;
    if (this.#layers.has(layer.id)) throw this.#malformed(`two layers have the id ${layer.id}`);
    this.#layers.set(layer.id, layer);
  }

  #readData(attributes: Attributes): void {
    if (this.#layer === undefined) return;
    for (const key of Object.keys(attributes)) this.#layer.data[key] = this.#attribute(attributes, key) ?? '';
    if (this.#layer.type !== 'Const') return;
    this.#constants.push({
      name: this.#layer.name,
      elementType: this.#layer.data['element_type'] ?? '',
      shape: this.#shape(this.#layer.data['shape'] ?? ''),
      offset: this.#count(attributes, 'offset'),
      size: this.#count(attributes, 'size'),
    });
  }

  #readEdge(attributes: Attributes): void {
    const end = (key: string): string => {
      const value = this.#attribute(attributes, key);
      if (value === undefined) throw this.#malformed(`an edge has no ${key}`);
      return value;
    };
    this.#sources.set(`${end('to-layer')}:${end('to-port')}`, end('from-layer'));
    if (this.#sources.size > 4 * MAX_LAYERS) throw this.#limit('edges', 4 * MAX_LAYERS);
  }

  #readRtInfo(attributes: Attributes): void {
    const value = attributes['value'];
    // Long values are logs and configurations of other tools.
    if (value === undefined || value.length > MAX_ATTRIBUTE_LENGTH) return;
    if (this.#rtInfo.size >= MAX_RT_INFO_ENTRIES) throw this.#limit('entries of rt_info', MAX_RT_INFO_ENTRIES);
    this.#rtInfo.set(this.#path.slice(2).join('/'), value);
  }

  #attribute(attributes: Attributes, key: string): string | undefined {
    const value = attributes[key];
    if (value !== undefined && value.length > MAX_ATTRIBUTE_LENGTH) {
      throw this.#limit(`characters in the attribute ${key}`, MAX_ATTRIBUTE_LENGTH);
    }
    return value;
  }

  #count(attributes: Attributes, key: string): number {
    const text = attributes[key] ?? '';
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value)) {
      throw this.#malformed(`${key} is '${text.slice(0, 80)}' in line ${this.#parser.line + 1}, not a count`);
    }
    return value;
  }

  /** `32064, 3072` as numbers; the empty text is a scalar. */
  #shape(text: string): number[] {
    if (text.trim() === '') return [];
    return text.split(',').map((part) => this.#count({ shape: part.trim() }, 'shape'));
  }
}

/** Names are separated by commas; a comma inside one is written `\,`. */
function splitNames(text: string): string[] {
  if (text === '') return [];
  return text.split(/(?<!\\),/).map((name) => name.replaceAll('\\,', ','));
}
