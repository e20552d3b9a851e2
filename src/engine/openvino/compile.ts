/**
 * From an IR's files to a compiled model: read, compile, and ask it what it really is. It keeps nothing.
 */
import { EngineError, OptionError } from '../../errors.js';
import type { EngineInfo } from '../engine.js';
import type { MappedByLoad } from '../mapped-files.js';
import type { OvApi, Pointer, Properties } from './c-api.js';
import { aipcDeviceName } from './devices.js';
import { blamedProperty, type OvConfig } from './ov-config.js';

export interface CompileRequest {
  readonly api: OvApi;
  readonly xmlFile: string;
  readonly binFile: string;
  /** The model's file for messages; the XML may be a rewritten one. */
  readonly modelFile: string;
  /** OpenVINO's name. */
  readonly device: string;
  readonly properties: Properties;
  /** Those of the properties that the caller chose: an error that names one of them is the caller's. */
  readonly ovConfig: OvConfig;
  readonly signal: AbortSignal | undefined;
  /** Of the load that this is a part of. */
  readonly mapped: MappedByLoad;
}

/**
 * Compiles; the caller frees the compiled model. Rejects with RUNTIME_FAILED, OPTION_INVALID, or at once with the
 * signal's reason: the runtime then compiles to its end, and the result is freed.
 */
export async function compileIr({ signal, mapped, ...request }: CompileRequest): Promise<Pointer> {
  signal?.throwIfAborted();
  const compiling = readAndCompile(request);
  if (signal === undefined) return compiling;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error);
      const freed = compiling.then(
        (compiledModel) => request.api.async.freeCompiledModel(compiledModel),
        () => undefined, // whoever aborted does not want to know
      );
      mapped.lastUntil(freed);
    };
    signal.addEventListener('abort', abort, { once: true });
    compiling.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

type UninterruptedRequest = Omit<CompileRequest, 'signal' | 'mapped'>;

async function readAndCompile(request: UninterruptedRequest): Promise<Pointer> {
  const { api, xmlFile, binFile, device, properties } = request;
  let model: Pointer | undefined;
  try {
    model = await api.async.readModel(xmlFile, binFile);
    return await api.async.compileModel(model, device, properties);
  } catch (error) {
    throw error instanceof EngineError ? explain(error, request) : error;
  } finally {
    if (model !== undefined) api.ov_model_free(model);
  }
}

function explain(error: EngineError, { modelFile, device, ovConfig }: UninterruptedRequest): Error {
  const name = blamedProperty(error.message, ovConfig);
  const details = { ...error.details, file: modelFile, device };
  if (name !== undefined) {
    return new OptionError(
      'OPTION_INVALID',
      `ovConfig.${name} = '${ovConfig[name] ?? ''}' is not accepted for ${device}. ${error.message}`,
      { cause: error, details: { ...details, option: `ovConfig.${name}`, found: ovConfig[name] } },
    );
  }
  return new EngineError(error.code, `${modelFile} cannot be loaded for ${device}. ${error.message}`, {
    cause: error,
    details,
  });
}

/** What a compiled model is and runs on, in its own words. */
export interface CompiledFacts {
  /** aipc's names of the devices that execute. */
  readonly devices: readonly string[];
  readonly deviceName: string;
  readonly activationDtype: EngineInfo['activationDtype'];
  readonly kvDtype: EngineInfo['kvDtype'];
}

/** Throws RUNTIME_FAILED. */
export async function readCompiledFacts(api: OvApi, compiledModel: Pointer): Promise<CompiledFacts> {
  const property = (key: string): Promise<string> => api.async.compiledModelProperty(compiledModel, key);
  const names = (await property('EXECUTION_DEVICES')).split(/[\s,]+/).filter((name) => name !== '');
  const deviceNames = await Promise.all(names.map((name) => api.async.deviceProperty(name, 'FULL_DEVICE_NAME')));
  const activationDtype = dtype(await property('INFERENCE_PRECISION_HINT'), ['f32', 'f16', 'bf16'], 'f32');
  return {
    devices: names.map((name) => aipcDeviceName(name)),
    deviceName: deviceNames.map((name) => name.trim()).join(', '),
    activationDtype,
    kvDtype: dtype(await property('KV_CACHE_PRECISION'), ['f32', 'f16', 'bf16', 'i8', 'u8', 'u4'], activationDtype),
  };
}

/** `undefined` and `dynamic` are OpenVINO's words for "as the model has it". */
function dtype<T extends string>(text: string, known: readonly T[], fallback: T): T {
  return known.find((name) => name === text) ?? fallback;
}
