/**
 * Streams an IR's XML into a list of layers, edges and rt_info. The file may come from a stranger: size, counts, depth
 * and lengths are limited, entities and DTDs are not expanded, and memory stays small. It knows the format, not what
 * a decoder looks like.
 * Format: OpenVINO's documentation "IR format", openvino/core/xml_util (xml_deserialize_util.cpp).
 */
import { StringDecoder } from 'node:string_decoder';
import sax from 'sax';
import { ModelFormatError, UnsupportedError } from '../../errors.js';
import { openRegularFile, unreadable } from '../../file-system.js';

/** Phi-3-mini's has 3 MB; a model of 128 layers four times that. This much takes half a second to read. */
export const MAX_XML_BYTES = 16 * 2 ** 20;
/** Phi-3-mini has 4500 layers, a model of 128 decoder layers 18,000; a layer takes about half a kilobyte of memory here. */
export const MAX_LAYERS = 2 ** 15;
/** net/layers/layer/output/port/dim is 6; a body (If, Loop) adds 4, and rt_info may nest freely. */
export const MAX_DEPTH = 32;
/** An attribute that is kept: names of tensors, shapes. Longer ones are not sound. */
export const MAX_ATTRIBUTE_LENGTH = 4096;
export const MAX_RT_INFO_ENTRIES = 4096;
/** Parsed between two turns of the event loop: some milliseconds. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Ways to name a range of the weights besides constants, which runtimes have read without checking it: mean images of
 * version 10 (openvino pull requests 33817 and 33838), and what the runtime writes into its own cache (37261).
 */
const REFUSED_ELEMENTS: ReadonlySet<string> = new Set(['pre-process']);
const REFUSED_ATTRIBUTES: ReadonlySet<string> = new Set(['WeightlessCacheAttribute']);
/** They run as often as the file says, and a run cannot be interrupted. */
const REFUSED_LAYERS: ReadonlySet<string> = new Set(['Loop', 'TensorIterator']);

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
  /** For input port `layer:port`, the id of that layer's output that feeds it. */
  readonly sourcePorts: ReadonlyMap<string, string>;
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
  const refuse = (cause: unknown): never => {
    throw unreadable(file, cause, 'Give the folder that `aipc export openvino` or optimum-cli made.');
  };
  const handle = await openRegularFile(file).catch(refuse);
  try {
    const { size: xmlBytes } = await handle.stat();
    if (xmlBytes > MAX_XML_BYTES) {
      throw new ModelFormatError(
        'FILE_LIMIT_EXCEEDED',
        `${file}: ${xmlBytes} bytes, at most ${MAX_XML_BYTES} are read. The weights of an IR are in its .bin.`,
        { details: { file, size: xmlBytes, limit: MAX_XML_BYTES } },
      );
    }
    const reader = new IrXmlReader(file);
    const decoder = new StringDecoder('utf8');
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let at = 0; at < xmlBytes;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at).catch(refuse);
      if (bytesRead === 0) break;
      reader.write(decoder.write(chunk.subarray(0, bytesRead)));
      at += bytesRead;
    }
    return { file, xmlBytes, ...reader.finish() };
  } finally {
    await handle.close();
  }
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
  /** Of the layer. */
  #inputs = 0;
  #text = '';
  #layerCount = 0;
  readonly #layers = new Map<string, IrLayer>();
  readonly #sources = new Map<string, string>();
  readonly #sourcePorts = new Map<string, string>();
  readonly #constants: IrConstant[] = [];
  readonly #rtInfo = new Map<string, string>();

  constructor(file: string) {
    this.#file = file;
    this.#parser.onerror = (error) => {
      throw this.#malformed(`not sound XML (${error.message.split('\n').join(', ')})`);
    };
    // No IR has one: all that it could bring is entities.
    this.#parser.ondoctype = () => {
      throw this.#malformed('it has a document type, where an entity could grow without end');
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
      sourcePorts: this.#sourcePorts,
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
    } else if (
      REFUSED_ELEMENTS.has(name) ||
      (name === 'attribute' && REFUSED_ATTRIBUTES.has(attributes['name'] ?? ''))
    ) {
      throw this.#malformed(`a <${name}> with places in the weights that no exporter writes`);
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
    } else if (name === 'port' && parent === 'input' && this.#bodies === 0) {
      this.#readInput(attributes);
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
    if (REFUSED_LAYERS.has(text('type'))) {
      throw new UnsupportedError(
        'MODEL_FEATURE_UNSUPPORTED',
        `${this.#file} has a ${text('type')}, which runs as often as the file says and which no decoder needs. ` +
          'Export the model with `aipc export openvino` or optimum-cli.',
        { details: { file: this.#file, type: text('type') } },
      );
    }
    const layer = {
      id: this.#id(attributes, 'id', `layer ${this.#layerCount}`),
      name: text('name'),
      type: text('type'),
      data: {},
      outputs: [],
    };
    this.#layer = layer;
    this.#inputs = 0;
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

  /** The runtime counts inputs as they stand, whatever their ids: one that is out of its place would be another input. */
  #readInput(attributes: Attributes): void {
    const id = this.#id(attributes, 'id', 'an input');
    if (id !== String(this.#inputs)) throw this.#malformed(`an input of the id ${id} stands in place ${this.#inputs}`);
    this.#inputs += 1;
  }

  #readEdge(attributes: Attributes): void {
    const end = (key: string): string => this.#id(attributes, key, 'an edge');
    const input = `${end('to-layer')}:${end('to-port')}`;
    if (this.#sources.has(input)) throw this.#malformed(`two edges lead to port ${input}`);
    this.#sourcePorts.set(input, end('from-port'));
    this.#sources.set(input, end('from-layer'));
    if (this.#sources.size > 4 * MAX_LAYERS) throw this.#limit('edges', 4 * MAX_LAYERS);
  }

  #readRtInfo(attributes: Attributes): void {
    const value = attributes['value'];
    // Long values are logs and configurations of other tools.
    if (value === undefined || value.length > MAX_ATTRIBUTE_LENGTH) return;
    if (this.#rtInfo.size >= MAX_RT_INFO_ENTRIES) throw this.#limit('entries of rt_info', MAX_RT_INFO_ENTRIES);
    this.#rtInfo.set(this.#path.slice(2).join('/'), value);
  }

  /** Written one way alone: the runtime reads ids as numbers, and `01` would be `1` to it. */
  #id(attributes: Attributes, key: string, what: string): string {
    const value = attributes[key];
    if (value === undefined) throw this.#malformed(`${what} has no ${key}`);
    if (!/^(0|[1-9]\d{0,9})$/.test(value)) throw this.#malformed(`${what} has the ${key} '${value.slice(0, 80)}'`);
    return value;
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
