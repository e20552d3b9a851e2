/**
 * A thin, typed binding of the part of OpenVINO's C API that aipc uses. A function that reports a status throws
 * EngineError with the runtime's own message. It manages no lifetimes: callers free what they create.
 * Source of names and signatures: openvino/c/*.h of OpenVINO 2026.4, which come with its wheel and archive.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { EngineError } from '../../errors.js';
import { bindOnce, callLater, loadNativeLibrary, nativePath } from '../native-library.js';
import { openvinoDependencies } from './dependencies.js';
import { findOpenvinoLibrary } from './find-library.js';

/** Address of a native object; koffi gives pointers as bigint, NULL as null. */
export type Pointer = bigint;
/** A C out parameter: the call fills element 0. */
export type PointerOut = [Pointer | null];
type SizeOut = [number | bigint];
type IntOut = [number];

/** ov_shape_t; `dims` must live until the call returns, which copies them. */
export interface Shape {
  readonly rank: number;
  readonly dims: BigInt64Array;
}

/** ov_property_t with a string value. */
interface Property {
  readonly key: string;
  readonly value: string;
}

/** Names and values of properties; OpenVINO takes every value as text. */
export type Properties = Readonly<Record<string, string>>;

/** Functions that return an ov_status_e; the binding checks it. All of them return at once. */
interface StatusFunctions {
  ov_compiled_model_create_infer_request(compiledModel: Pointer, out: PointerOut): void;
  /** The run in flight then fails at its next operation; does nothing when there is none. See graph-mending.ts. */
  ov_infer_request_cancel(request: Pointer): void;
  ov_infer_request_set_tensor(request: Pointer, name: string, tensor: Pointer): void;
  /** The tensor is a new handle on the request's memory: free it. */
  ov_infer_request_get_tensor(request: Pointer, name: string, out: PointerOut): void;
  /** The tensor does not own `data`, and koffi does not keep it alive: the caller does. */
  ov_tensor_create_from_host_ptr(elementType: number, shape: Shape, data: NodeJS.TypedArray, out: PointerOut): void;
  ov_tensor_get_element_type(tensor: Pointer, out: IntOut): void;
  ov_tensor_get_byte_size(tensor: Pointer, out: SizeOut): void;
  ov_tensor_data(tensor: Pointer, out: PointerOut): void;
}

/** Functions that return nothing; they accept NULL, but aipc never passes it. */
interface VoidFunctions {
  ov_model_free(model: Pointer): void;
  ov_infer_request_free(request: Pointer): void;
  ov_tensor_free(tensor: Pointer): void;
}

const POINTER = 'void *';
const OUT_POINTER = koffi.out(koffi.pointer(koffi.pointer('void')));
const OUT_INT = koffi.out(koffi.pointer('int'));
const OUT_SIZE = koffi.out(koffi.pointer('size_t'));
const SHAPE = koffi.struct({ rank: 'int64_t', dims: POINTER });
const PROPERTIES = koffi.pointer(koffi.struct({ key: 'str', value: 'str' }));
const VERSION = koffi.struct({ buildNumber: POINTER, description: POINTER });
const DEVICES = koffi.struct({ names: POINTER, size: 'size_t' });
/**
 * On Windows a char path would be read in the system's code page, so the functions with wchar_t serve there;
 * elsewhere paths are bytes.
 */
const IS_WINDOWS = process.platform === 'win32';
const PATH = IS_WINDOWS ? 'str16' : 'str';

type KoffiFunction = ReturnType<LibraryHandle['func']>;
type ParameterType = string | ReturnType<typeof koffi.out> | ReturnType<typeof koffi.struct>;

const STATUS_FUNCTIONS: Readonly<Record<keyof StatusFunctions, readonly ParameterType[]>> = {
  ov_compiled_model_create_infer_request: [POINTER, OUT_POINTER],
  ov_infer_request_cancel: [POINTER],
  ov_infer_request_set_tensor: [POINTER, 'str', POINTER],
  ov_infer_request_get_tensor: [POINTER, 'str', OUT_POINTER],
  ov_tensor_create_from_host_ptr: ['int', SHAPE, POINTER, OUT_POINTER],
  ov_tensor_get_element_type: [POINTER, OUT_INT],
  ov_tensor_get_byte_size: [POINTER, OUT_SIZE],
  ov_tensor_data: [POINTER, OUT_POINTER],
};

const VOID_FUNCTIONS: Readonly<Record<keyof VoidFunctions, readonly ParameterType[]>> = {
  ov_model_free: [POINTER],
  ov_infer_request_free: [POINTER],
  ov_tensor_free: [POINTER],
};

/** The calls that read files, load plug-ins, compile or compute: made on one of libuv's threads. */
interface AsyncFunctions {
  /** `binFile` is the file with the weights, which may have another name than the XML. */
  readModel(xmlFile: string, binFile: string): Promise<Pointer>;
  compileModel(model: Pointer, device: string, properties: Properties): Promise<Pointer>;
  infer(request: Pointer): Promise<void>;
  freeCompiledModel(compiledModel: Pointer): Promise<void>;
  /** OpenVINO's own names: `CPU`, `GPU` or `GPU.0`, `GPU.1`, `NPU`. */
  availableDevices(): Promise<string[]>;
  /** Loads the device's plug-in; rejects when there is no such device or property. */
  deviceProperty(device: string, key: string): Promise<string>;
  compiledModelProperty(compiledModel: Pointer, key: string): Promise<string>;
}

/** The API of one loaded library, with the ov::Core that it keeps for the life of the process. */
export interface OvApi extends Readonly<StatusFunctions>, Readonly<VoidFunctions> {
  readonly async: AsyncFunctions;
  /** E.g. `2026.4.1`. */
  readonly version: string;
  /** With the build's number and commit. */
  readonly buildNumber: string;
  /** Path of the library. */
  readonly file: string;
  /** Keeps the library loaded as long as its functions are reachable. */
  readonly library: LibraryHandle;
}

/** ov_element_type_e. */
export const ELEMENT_TYPE = { f16: 3, f32: 4, i32: 9, i64: 10 } as const;

/** ov_status_e: from here down the C wrapper itself refused, without a message of its own. */
const FIRST_WRAPPER_STATUS = -14;

/** Runs `call` with a fresh out parameter and returns what it put there. */
export function takePointer(call: (out: PointerOut) => void): Pointer {
  const out: PointerOut = [null];
  call(out);
  return filled(out);
}

function filled([pointer]: PointerOut): Pointer {
  if (pointer === null) throw new EngineError('RUNTIME_FAILED', 'OpenVINO reported success but gave no object.');
  return pointer;
}

/** `dims` as an ov_shape_t. */
export function shapeOf(dims: readonly number[]): Shape {
  return { rank: dims.length, dims: BigInt64Array.from(dims, BigInt) };
}

/**
 * The runtime's message without the places in its sources, which head every level of a nested exception
 * (`Exception from src/inference/src/cpp/core.cpp:116:`).
 */
export function readableMessage(message: string): string {
  return message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^Exception from \S+:\d+:?$/.test(line))
    .join(' ');
}

const loaded = new Map<string, Promise<OvApi>>();
/** Kept for good: a handle that is collected unloads its library. */
const dependencies: LibraryHandle[] = [];

/** The API of the library that is found; loaded once for each path. */
export async function loadOvApi(): Promise<OvApi> {
  const file = findOpenvinoLibrary();
  return bindOnce(loaded, file, bindLibrary);
}

async function bindLibrary(file: string): Promise<OvApi> {
  dependencies.push(...openvinoDependencies(file).map(loadNativeLibrary));
  const library = loadNativeLibrary(file);
  const bind = (name: string, result: string, parameters: readonly ParameterType[]): KoffiFunction => {
    try {
      return library.func(name, result, [...parameters]);
    } catch (cause) {
      throw new EngineError(
        'RUNTIME_INCOMPATIBLE',
        `${file} has no ${name}; aipc needs OpenVINO 2026.4 or newer. Run \`aipc setup openvino\`, or set ` +
          'OPENVINO_LIB_DIR to the folder of a newer library.',
        { cause, details: { file, function: name } },
      );
    }
  };
  const free = bind('ov_free', 'void', [POINTER]);
  /** A string that the library allocated: decoded and freed. */
  const takeString = (address: unknown): string => {
    const text = koffi.decode.string(address);
    free(address);
    return text;
  };
  const getErrorInfo = bind('ov_get_error_info', 'str', ['int']);
  const getLastMessage = bind('ov_get_last_err_msg', POINTER, []);
  let version = '';
  const check = (name: string, status: number): void => {
    if (status === 0) return;
    // One for the whole process, kept after later successes: with two engines it may be the other's.
    const last: unknown = status > FIRST_WRAPPER_STATUS ? getLastMessage() : null;
    const message = last === null ? (getErrorInfo(status) as string) : readableMessage(takeString(last));
    throw new EngineError('RUNTIME_FAILED', `OpenVINO ${version}, ${name}: ${message}`, {
      details: { function: name, status, runtimeVersion: version },
    });
  };
  const bindStatus = (name: string, parameters: readonly ParameterType[]) => {
    const native = bind(name, 'int', parameters);
    return {
      now: (...given: unknown[]): void => check(name, native(...given) as number),
      later: async (...given: unknown[]): Promise<void> => check(name, (await callLater(native, given)) as number),
    };
  };

  const versionStruct = Buffer.alloc(koffi.sizeof(VERSION));
  bindStatus('ov_get_openvino_version', [POINTER]).now(versionStruct);
  const { buildNumber: buildText } = koffi.decode(versionStruct, VERSION) as { buildNumber: Pointer };
  const buildNumber = koffi.decode.string(buildText);
  bind('ov_version_free', 'void', [POINTER])(versionStruct);
  version = /^[\d.]+\d/.exec(buildNumber)?.[0] ?? buildNumber;

  // koffi's functions are untyped; the two tables are what gives each name its signature.
  const functions: Record<string, unknown> = {};
  for (const [name, parameters] of Object.entries(STATUS_FUNCTIONS)) functions[name] = bindStatus(name, parameters).now;
  for (const [name, parameters] of Object.entries(VOID_FUNCTIONS)) functions[name] = bind(name, 'void', parameters);

  const readModel = bindStatus(IS_WINDOWS ? 'ov_core_read_model_unicode' : 'ov_core_read_model', [
    POINTER,
    PATH,
    PATH,
    OUT_POINTER,
  ]);
  const compileModel = bindStatus('ov_core_compile_model_props', [
    POINTER,
    POINTER,
    'str',
    'size_t',
    PROPERTIES,
    OUT_POINTER,
  ]);
  const infer = bindStatus('ov_infer_request_infer', [POINTER]);
  const freeCompiledModel = bind('ov_compiled_model_free', 'void', [POINTER]);
  const getDevices = bindStatus('ov_core_get_available_devices', [POINTER, POINTER]);
  const freeDevices = bind('ov_available_devices_free', 'void', [POINTER]);
  const getDeviceProperty = bindStatus('ov_core_get_property', [POINTER, 'str', 'str', OUT_POINTER]);
  const getModelProperty = bindStatus('ov_compiled_model_get_property', [POINTER, 'str', OUT_POINTER]);

  const coreOut: PointerOut = [null];
  await bindStatus('ov_core_create', [OUT_POINTER]).later(coreOut);
  const core = filled(coreOut);
  /** Makes a call whose last parameter is an out pointer. */
  const create = async (
    later: (...given: unknown[]) => Promise<void>,
    ...given: readonly unknown[]
  ): Promise<Pointer> => {
    const out: PointerOut = [null];
    await later(...given, out);
    return filled(out);
  };
  const async: AsyncFunctions = {
    readModel: (xmlFile, binFile) => create(readModel.later, core, nativePath(xmlFile), nativePath(binFile)),
    compileModel: (model, device, properties) => {
      const list = Object.entries(properties).map(([key, value]): Property => ({ key, value }));
      return create(compileModel.later, core, model, device, list.length, list);
    },
    infer: (request) => infer.later(request),
    freeCompiledModel: async (compiledModel) => {
      await callLater(freeCompiledModel, [compiledModel]);
    },
    availableDevices: async () => {
      const struct = Buffer.from(new ArrayBuffer(koffi.sizeof(DEVICES))); // memory that never moves
      await getDevices.later(core, struct);
      const { names, size } = koffi.decode(struct, DEVICES) as { names: Pointer | null; size: number | bigint };
      const devices = names === null ? [] : (koffi.decode(names, koffi.array('str', Number(size))) as string[]);
      freeDevices(struct);
      return devices;
    },
    deviceProperty: async (device, key) => takeString(await create(getDeviceProperty.later, core, device, key)),
    compiledModelProperty: async (compiledModel, key) =>
      takeString(await create(getModelProperty.later, compiledModel, key)),
  };
  return {
    ...(functions as unknown as StatusFunctions & VoidFunctions),
    async,
    version,
    buildNumber,
    file,
    library,
  };
}
