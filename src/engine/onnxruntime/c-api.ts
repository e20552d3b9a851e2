/**
 * A thin, typed binding of the part of ONNX Runtime's C API that aipc uses. A function that reports a status throws
 * EngineError with the runtime's own message. It manages no lifetimes: callers release what they create.
 * Source of names, ordinals and signatures: struct OrtApi in onnxruntime_c_api.h, which only ever grows at its end.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { EngineError } from '../../errors.js';
import { bindOnce, findOnnxRuntimeLibrary, loadNativeLibrary, nativePath } from '../native-library.js';

/** Address of a native object; koffi gives pointers as bigint, NULL as null. */
export type Pointer = bigint;
/** A C out parameter: the call fills element 0. */
export type PointerOut = [Pointer | null];
type IntOut = [number];
type SizeOut = [number | bigint];
type TextOut = [string | null];

/** The newest function used here (SessionOptionsSetLoadCancellationFlag) came with API version 22. */
const API_VERSION = 22;

/** Functions that return an OrtStatus; the binding checks and releases it. */
interface StatusFunctions {
  CreateEnv(logLevel: number, id: string, out: PointerOut): void;
  DisableTelemetryEvents(env: Pointer): void;
  CreateSession(env: Pointer, path: string, options: Pointer, out: PointerOut): void;
  CreateSessionOptions(out: PointerOut): void;
  EnableMemPattern(options: Pointer): void;
  DisableMemPattern(options: Pointer): void;
  EnableCpuMemArena(options: Pointer): void;
  DisableCpuMemArena(options: Pointer): void;
  SetSessionLogSeverityLevel(options: Pointer, level: number): void;
  SetSessionGraphOptimizationLevel(options: Pointer, level: number): void;
  SetIntraOpNumThreads(options: Pointer, threads: number): void;
  SessionGetInputCount(session: Pointer, out: SizeOut): void;
  SessionGetOutputCount(session: Pointer, out: SizeOut): void;
  SessionGetOverridableInitializerCount(session: Pointer, out: SizeOut): void;
  SessionGetInputTypeInfo(session: Pointer, index: number, out: PointerOut): void;
  SessionGetOutputTypeInfo(session: Pointer, index: number, out: PointerOut): void;
  SessionGetOverridableInitializerTypeInfo(session: Pointer, index: number, out: PointerOut): void;
  SessionGetInputName(session: Pointer, index: number, allocator: Pointer, out: PointerOut): void;
  SessionGetOutputName(session: Pointer, index: number, allocator: Pointer, out: PointerOut): void;
  SessionGetOverridableInitializerName(session: Pointer, index: number, allocator: Pointer, out: PointerOut): void;
  CreateRunOptions(out: PointerOut): void;
  RunOptionsSetTerminate(options: Pointer): void;
  RunOptionsUnsetTerminate(options: Pointer): void;
  CreateTensorAsOrtValue(
    allocator: Pointer,
    dims: BigInt64Array,
    rank: number,
    elementType: number,
    out: PointerOut,
  ): void;
  CreateTensorWithDataAsOrtValue(
    memoryInfo: Pointer,
    data: Pointer | NodeJS.TypedArray,
    bytes: number,
    dims: BigInt64Array,
    rank: number,
    elementType: number,
    out: PointerOut,
  ): void;
  GetTensorMutableData(value: Pointer, out: PointerOut): void;
  CastTypeInfoToTensorInfo(typeInfo: Pointer, out: PointerOut): void;
  GetTensorElementType(tensorInfo: Pointer, out: IntOut): void;
  GetDimensionsCount(tensorInfo: Pointer, out: SizeOut): void;
  GetDimensions(tensorInfo: Pointer, dims: BigInt64Array, rank: number): void;
  CreateMemoryInfo(name: string, allocatorType: number, deviceId: number, memoryType: number, out: PointerOut): void;
  CreateCpuMemoryInfo(allocatorType: number, memoryType: number, out: PointerOut): void;
  MemoryInfoGetName(info: Pointer, out: TextOut): void;
  AllocatorFree(allocator: Pointer, memory: Pointer): void;
  GetAllocatorWithDefaultOptions(out: PointerOut): void;
  GetAvailableProviders(out: PointerOut, count: IntOut): void;
  ReleaseAvailableProviders(names: Pointer, count: number): void;
  AddSessionConfigEntry(options: Pointer, key: string, value: string): void;
  CreateAllocator(session: Pointer, memoryInfo: Pointer, out: PointerOut): void;
  RunWithBinding(session: Pointer, options: Pointer, binding: Pointer): void;
  CreateIoBinding(session: Pointer, out: PointerOut): void;
  BindInput(binding: Pointer, name: string, value: Pointer): void;
  BindOutput(binding: Pointer, name: string, value: Pointer): void;
  /** A view into the value. */
  GetTensorMemoryInfo(value: Pointer, out: PointerOut): void;
  SessionOptionsAppendExecutionProvider_CUDA_V2(options: Pointer, cudaOptions: Pointer): void;
  CreateCUDAProviderOptions(out: PointerOut): void;
  UpdateCUDAProviderOptions(
    cudaOptions: Pointer,
    keys: readonly string[],
    values: readonly string[],
    count: number,
  ): void;
  SessionOptionsAppendExecutionProvider(
    options: Pointer,
    provider: string,
    keys: readonly string[],
    values: readonly string[],
    count: number,
  ): void;
  SessionOptionsSetLoadCancellationFlag(options: Pointer, cancel: boolean): void;
  RegisterExecutionProviderLibrary(env: Pointer, registrationName: string, path: string): void;
  UnregisterExecutionProviderLibrary(env: Pointer, registrationName: string): void;
  GetEpDevices(env: Pointer, out: PointerOut, count: SizeOut): void;
  SessionOptionsAppendExecutionProvider_V2(
    options: Pointer,
    env: Pointer,
    devices: BigUint64Array,
    deviceCount: number,
    keys: readonly string[],
    values: readonly string[],
    count: number,
  ): void;
}

/** Functions that return what they are asked for: the library's own, alive as long as the environment. */
interface ValueFunctions {
  /** OrtHardwareDeviceType: 0 CPU, 1 GPU, 2 NPU. */
  HardwareDevice_Type(hardware: Pointer): number;
  /** Of PCI, or the system's stand-in for it. */
  HardwareDevice_VendorId(hardware: Pointer): number;
  HardwareDevice_Vendor(hardware: Pointer): string;
  HardwareDevice_DeviceId(hardware: Pointer): number;
  HardwareDevice_Metadata(hardware: Pointer): Pointer | null;
  EpDevice_EpName(device: Pointer): string;
  EpDevice_EpVendor(device: Pointer): string;
  EpDevice_EpMetadata(device: Pointer): Pointer | null;
  EpDevice_Device(device: Pointer): Pointer;
}

/** Functions that return nothing; they accept NULL, but aipc never passes it. */
interface VoidFunctions {
  ReleaseStatus(status: Pointer): void;
  ReleaseMemoryInfo(info: Pointer): void;
  ReleaseSession(session: Pointer): void;
  ReleaseValue(value: Pointer): void;
  ReleaseRunOptions(options: Pointer): void;
  ReleaseTypeInfo(info: Pointer): void;
  ReleaseSessionOptions(options: Pointer): void;
  ReleaseAllocator(allocator: Pointer): void;
  ReleaseIoBinding(binding: Pointer): void;
  ReleaseCUDAProviderOptions(cudaOptions: Pointer): void;
  GetKeyValuePairs(pairs: Pointer, keys: PointerOut, values: PointerOut, count: SizeOut): void;
}

const POINTER = 'void *';
const OUT_POINTER = koffi.out(koffi.pointer(koffi.pointer('void')));
const OUT_TEXT = koffi.out(koffi.pointer('str'));
const TEXTS = koffi.pointer('str');
const OUT_INT = koffi.out(koffi.pointer('int'));
const OUT_SIZE = koffi.out(koffi.pointer('size_t'));
/** Paths are wchar_t on Windows, bytes elsewhere (ORTCHAR_T). */
const PATH = process.platform === 'win32' ? 'str16' : 'str';

type KoffiFunction = ReturnType<LibraryHandle['func']>;
type ParameterType = string | ReturnType<typeof koffi.out> | ReturnType<typeof koffi.pointer>;
type Declaration = readonly [ordinal: number, ...parameters: ParameterType[]];

const STATUS_FUNCTIONS: Readonly<Record<keyof StatusFunctions, Declaration>> = {
  CreateEnv: [3, 'int', 'str', OUT_POINTER],
  DisableTelemetryEvents: [6, POINTER],
  CreateSession: [7, POINTER, PATH, POINTER, OUT_POINTER],
  CreateSessionOptions: [10, OUT_POINTER],
  EnableMemPattern: [16, POINTER],
  DisableMemPattern: [17, POINTER],
  EnableCpuMemArena: [18, POINTER],
  DisableCpuMemArena: [19, POINTER],
  SetSessionLogSeverityLevel: [22, POINTER, 'int'],
  SetSessionGraphOptimizationLevel: [23, POINTER, 'int'],
  SetIntraOpNumThreads: [24, POINTER, 'int'],
  SessionGetInputCount: [30, POINTER, OUT_SIZE],
  SessionGetOutputCount: [31, POINTER, OUT_SIZE],
  SessionGetOverridableInitializerCount: [32, POINTER, OUT_SIZE],
  SessionGetInputTypeInfo: [33, POINTER, 'size_t', OUT_POINTER],
  SessionGetOutputTypeInfo: [34, POINTER, 'size_t', OUT_POINTER],
  SessionGetOverridableInitializerTypeInfo: [35, POINTER, 'size_t', OUT_POINTER],
  SessionGetInputName: [36, POINTER, 'size_t', POINTER, OUT_POINTER],
  SessionGetOutputName: [37, POINTER, 'size_t', POINTER, OUT_POINTER],
  SessionGetOverridableInitializerName: [38, POINTER, 'size_t', POINTER, OUT_POINTER],
  CreateRunOptions: [39, OUT_POINTER],
  RunOptionsSetTerminate: [46, POINTER],
  RunOptionsUnsetTerminate: [47, POINTER],
  CreateTensorAsOrtValue: [48, POINTER, POINTER, 'size_t', 'int', OUT_POINTER],
  CreateTensorWithDataAsOrtValue: [49, POINTER, POINTER, 'size_t', POINTER, 'size_t', 'int', OUT_POINTER],
  GetTensorMutableData: [51, POINTER, OUT_POINTER],
  CastTypeInfoToTensorInfo: [55, POINTER, OUT_POINTER],
  GetTensorElementType: [60, POINTER, OUT_INT],
  GetDimensionsCount: [61, POINTER, OUT_SIZE],
  GetDimensions: [62, POINTER, POINTER, 'size_t'],
  CreateMemoryInfo: [68, 'str', 'int', 'int', 'int', OUT_POINTER],
  CreateCpuMemoryInfo: [69, 'int', 'int', OUT_POINTER],
  MemoryInfoGetName: [71, POINTER, OUT_TEXT],
  AllocatorFree: [76, POINTER, POINTER],
  GetAllocatorWithDefaultOptions: [78, OUT_POINTER],
  GetAvailableProviders: [125, OUT_POINTER, OUT_INT],
  ReleaseAvailableProviders: [126, POINTER, 'int'],
  AddSessionConfigEntry: [130, POINTER, 'str', 'str'],
  CreateAllocator: [131, POINTER, POINTER, OUT_POINTER],
  RunWithBinding: [133, POINTER, POINTER, POINTER],
  CreateIoBinding: [134, POINTER, OUT_POINTER],
  BindInput: [136, POINTER, 'str', POINTER],
  BindOutput: [137, POINTER, 'str', POINTER],
  GetTensorMemoryInfo: [194, POINTER, OUT_POINTER],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, POINTER, POINTER],
  CreateCUDAProviderOptions: [205, OUT_POINTER],
  UpdateCUDAProviderOptions: [206, POINTER, TEXTS, TEXTS, 'size_t'],
  SessionOptionsAppendExecutionProvider: [216, POINTER, 'str', TEXTS, TEXTS, 'size_t'],
  SessionOptionsSetLoadCancellationFlag: [293, POINTER, 'bool'],
  RegisterExecutionProviderLibrary: [301, POINTER, 'str', PATH],
  UnregisterExecutionProviderLibrary: [302, POINTER, 'str'],
  GetEpDevices: [303, POINTER, OUT_POINTER, OUT_SIZE],
  SessionOptionsAppendExecutionProvider_V2: [304, POINTER, POINTER, POINTER, 'size_t', TEXTS, TEXTS, 'size_t'],
};

const VALUE_FUNCTIONS: Readonly<Record<keyof ValueFunctions, readonly [ordinal: number, result: string]>> = {
  HardwareDevice_Type: [307, 'int'],
  HardwareDevice_VendorId: [308, 'uint32_t'],
  HardwareDevice_Vendor: [309, 'str'],
  HardwareDevice_DeviceId: [310, 'uint32_t'],
  HardwareDevice_Metadata: [311, POINTER],
  EpDevice_EpName: [312, 'str'],
  EpDevice_EpVendor: [313, 'str'],
  EpDevice_EpMetadata: [314, POINTER],
  EpDevice_Device: [316, POINTER],
};

const VOID_FUNCTIONS: Readonly<Record<keyof VoidFunctions, Declaration>> = {
  ReleaseStatus: [93, POINTER],
  ReleaseMemoryInfo: [94, POINTER],
  ReleaseSession: [95, POINTER],
  ReleaseValue: [96, POINTER],
  ReleaseRunOptions: [97, POINTER],
  ReleaseTypeInfo: [98, POINTER],
  ReleaseSessionOptions: [100, POINTER],
  ReleaseAllocator: [132, POINTER],
  ReleaseIoBinding: [135, POINTER],
  ReleaseCUDAProviderOptions: [208, POINTER],
  GetKeyValuePairs: [298, POINTER, OUT_POINTER, OUT_POINTER, OUT_SIZE],
};

/** The long calls, made on one of libuv's threads. */
interface AsyncFunctions {
  createEnv(logLevel: number, id: string): Promise<Pointer>;
  createSession(env: Pointer, path: string, options: Pointer): Promise<Pointer>;
  runWithBinding(session: Pointer, options: Pointer, binding: Pointer): Promise<void>;
  releaseSession(session: Pointer): Promise<void>;
  registerExecutionProviderLibrary(env: Pointer, registrationName: string, path: string): Promise<void>;
}

/** The API of one loaded library, with the process-wide environment that it needs. */
export interface OrtApi extends Readonly<StatusFunctions>, Readonly<VoidFunctions>, Readonly<ValueFunctions> {
  readonly async: AsyncFunctions;
  /** E.g. `1.30.0`. */
  readonly version: string;
  /** Path of the loaded library. */
  readonly file: string;
  readonly env: Pointer;
  /** The default CPU allocator, owned by the library. */
  readonly allocator: Pointer;
  /** Describes plain CPU memory. */
  readonly cpuMemory: Pointer;
  /** Keeps the library loaded as long as its functions are reachable. */
  readonly library: LibraryHandle;
}

/** ONNXTensorElementDataType. */
export const ELEMENT_TYPE = { f32: 1, i64: 7, f16: 10 } as const;

/** Runs `call` with a fresh out parameter and returns what it put there. */
export function takePointer(call: (out: PointerOut) => void): Pointer {
  const out: PointerOut = [null];
  call(out);
  return filled(out);
}

function filled([pointer]: PointerOut): Pointer {
  if (pointer === null) {
    throw new EngineError('RUNTIME_FAILED', 'ONNX Runtime reported success but gave no object.');
  }
  return pointer;
}

type AnyFunction = (...parameters: unknown[]) => unknown;

const loaded = new Map<string, Promise<OrtApi>>();

/** The API of the library that ONNXRUNTIME_LIB_DIR or onnxruntime-node gives; loaded once for each path. */
export async function loadOrtApi(): Promise<OrtApi> {
  const file = findOnnxRuntimeLibrary();
  return bindOnce(loaded, file, bindLibrary);
}

/**
 * From 1.29 the official builds for Linux send usage data to Microsoft unless this variable is set when the
 * environment is created; nothing that aipc runs leaves the machine. (Their start also matches the command line
 * against a recursive regular expression, which overflows the stack on a long prompt.)
 */
function disableTelemetryUploads(): void {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
}

async function bindLibrary(file: string): Promise<OrtApi> {
  disableTelemetryUploads();
  const library = loadNativeLibrary(file);
  const incompatible = (found: string): EngineError =>
    new EngineError(
      'RUNTIME_INCOMPATIBLE',
      `${file}: ${found}; aipc needs ONNX Runtime 1.22 or newer. Update it, or unset ONNXRUNTIME_LIB_DIR.`,
      { details: { file } },
    );
  let getApiBase: KoffiFunction;
  try {
    getApiBase = library.func('OrtGetApiBase', POINTER, []);
  } catch (cause) {
    throw Object.assign(incompatible('it has no OrtGetApiBase'), { cause });
  }
  // struct OrtApiBase { const OrtApi *GetApi(uint32_t version); const char *GetVersionString(); }
  const base: unknown = getApiBase();
  const functionAt = (table: unknown, index: number, result: string, parameters: ParameterType[]): KoffiFunction =>
    koffi.decode(
      koffi.decode(table, index * koffi.sizeof(POINTER), POINTER),
      koffi.proto(result, parameters),
    ) as KoffiFunction;
  const version = functionAt(base, 1, 'str', [])() as string;
  const table: unknown = functionAt(base, 0, POINTER, ['uint32_t'])(API_VERSION);
  if (table === null) throw incompatible(`it is version ${version}`);

  const getErrorMessage = functionAt(table, 2, 'str', [POINTER]);
  const functions: Partial<Record<string, KoffiFunction>> = {};
  for (const [name, [ordinal, ...parameters]] of Object.entries(VOID_FUNCTIONS)) {
    functions[name] = functionAt(table, ordinal, 'void', parameters);
  }
  for (const [name, [ordinal, result]] of Object.entries(VALUE_FUNCTIONS)) {
    functions[name] = functionAt(table, ordinal, result, [POINTER]);
  }
  const releaseStatus = functions['ReleaseStatus'] as unknown as VoidFunctions['ReleaseStatus'];
  const check = (name: string, status: Pointer | null): void => {
    if (status === null) return;
    const message = getErrorMessage(status) as string;
    releaseStatus(status);
    throw new EngineError('RUNTIME_FAILED', `ONNX Runtime ${version}, ${name}: ${message}`, {
      details: { function: name, runtimeVersion: version },
    });
  };
  const raw: Record<string, KoffiFunction> = {};
  const checked: Record<string, AnyFunction> = {};
  for (const [name, [ordinal, ...parameters]] of Object.entries(STATUS_FUNCTIONS)) {
    const native = functionAt(table, ordinal, POINTER, parameters);
    raw[name] = native;
    checked[name] = (...given) => check(name, native(...given) as Pointer | null);
  }
  const later = (native: KoffiFunction | undefined, parameters: unknown[]): Promise<Pointer | null> =>
    new Promise((resolve, reject) => {
      native?.async(...parameters, (error: Error | null, result: Pointer | null) => {
        if (error === null) resolve(result);
        else reject(error);
      });
    });
  const create = async (name: keyof StatusFunctions, parameters: unknown[]): Promise<Pointer> => {
    const out: PointerOut = [null];
    check(name, await later(raw[name], [...parameters, out]));
    return filled(out);
  };
  const async: AsyncFunctions = {
    createEnv: (...given) => create('CreateEnv', given),
    createSession: (env, file, options) => create('CreateSession', [env, nativePath(file), options]),
    runWithBinding: async (...given) => check('RunWithBinding', await later(raw['RunWithBinding'], given)),
    releaseSession: async (...given) => {
      await later(functions['ReleaseSession'], given);
    },
    registerExecutionProviderLibrary: async (env, name, path) => {
      const given = [env, name, nativePath(path)];
      check('RegisterExecutionProviderLibrary', await later(raw['RegisterExecutionProviderLibrary'], given));
    },
  };
  // koffi's functions are untyped; the tables above are what gives each name its signature.
  const api = { ...functions, ...checked } as unknown as StatusFunctions & VoidFunctions & ValueFunctions;
  const LOG_ERRORS = 3; // ORT_LOGGING_LEVEL_ERROR: warnings about graphs are not for the user's terminal
  const DEVICE_ALLOCATOR = 0; // OrtDeviceAllocator: plain memory
  const DEFAULT_MEMORY = 0; // OrtMemTypeDefault
  const env = await async.createEnv(LOG_ERRORS, 'aipc'); // registers every operator: tens of milliseconds
  api.DisableTelemetryEvents(env);
  return {
    ...api,
    async,
    version,
    file,
    library,
    env,
    allocator: takePointer((out) => api.GetAllocatorWithDefaultOptions(out)),
    cpuMemory: takePointer((out) => api.CreateCpuMemoryInfo(DEVICE_ALLOCATOR, DEFAULT_MEMORY, out)),
  };
}
