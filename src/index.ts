/** aipc's public API. What is not exported here may change at any time. */
export {
  AipcError,
  EngineError,
  ModelFormatError,
  NotFoundError,
  OptionError,
  ResourceError,
  UnsupportedError,
  UsageError,
  type AipcErrorCode,
} from './errors.js';
export type { ChatMessage, ChatRole } from './chat/message.js';
export type { ExportSummary } from './convert/onnx/export-onnx.js';
export type { ExportOpenvinoSummary } from './convert/openvino/export-openvino.js';
export type { GroupSizeFallback, OpenvinoRecipe } from './convert/openvino/recipe.js';
export type { WeightFormat } from './convert/recipe.js';
export type {
  Accelerator,
  CoreCounts,
  CpuDevice,
  DeviceId,
  DeviceVendor,
  DriverFacts,
  Fact,
  InstructionSet,
  Machine,
  MachineMemory,
} from './devices/device.js';
export type { Measurement } from './devices/measurement.js';
export { recommend } from './devices/recommend.js';
export type {
  DeviceSelection,
  ModelFacts,
  Recommendation,
  Recommendations,
  RecommendRequest,
  Rejection,
} from './devices/recommend.js';
export type { Preference } from './devices/recommendation-rules.js';
export { diagnose, type DiagnoseOptions, type Diagnosis, type DoctorCheck } from './doctor/diagnose.js';
export { detectDevices, type DetectDevicesOptions, type DetectedDevices } from './machine/detect-devices.js';
export { recommendDevices, type RecommendDevicesOptions } from './model/choose-device.js';
export type { DrivenDevice, OfferedDevice, ProviderName, ProviderStatus } from './devices/provider.js';
export { benchModel } from './bench/bench.js';
export type { BenchOptions } from './bench/bench-options.js';
export { readMeasurements, type KeptMeasurement } from './bench/measurements.js';
export type { BenchCell, BenchMachine, BenchReport, CellRequest, FailedCell, MeasuredCell } from './bench/report.js';
export type { Percentiles, Summary } from './bench/statistics.js';
export { ChatSession, type ChatOptions } from './model/chat-session.js';
export { exportModel, type ExportModelOptions } from './model/export-model.js';
export {
  describeCatalogueEntry,
  describeModel,
  type CatalogueDescription,
  type DescribeModelOptions,
  type DeviceChoice,
  type ModelDescription,
  type SourceDescription,
} from './model/describe-model.js';
export type { DeviceSuits } from './model/device-suits.js';
export {
  exportOpenvinoModel,
  type ExportedOpenvinoModel,
  type ExportOpenvinoModelOptions,
} from './model/export-openvino-model.js';
export { GenerationStream } from './model/generation-stream.js';
export { loadModel } from './model/load-model.js';
export { pullModel, type PulledModel, type PullModelOptions } from './model/pull-model.js';
export { listLocalModels, type CompiledModel, type LocalModel } from './inventory/local-models.js';
export { planRemoval, removeAll, type RemovalItem, type RemovalPlan } from './inventory/remove-model.js';
export { pruneCache, type PrunedItem, type PruneOptions } from './inventory/prune-cache.js';
export type { LoadingOptions, LoadModelOptions } from './model/load-options.js';
export type { Model } from './model/model.js';
export {
  monitorLoad,
  type AcceleratorLoad,
  type CpuLoad,
  type LoadSample,
  type MemoryLoad,
  type MonitorLoadOptions,
  type Reading,
  type RunningModel,
} from './load/monitor.js';
export type {
  Execution,
  FinishReason,
  GenerateOptions,
  GenerateResult,
  GenerationInput,
  ModelIdentity,
  StreamPart,
  Timings,
  Usage,
} from './model/result.js';
export type { TokenTrace, TraceOptions } from './model/token-trace.js';
export { catalogue } from './models/catalogue.js';
export type {
  BuiltInSource,
  CatalogueEntry,
  DecoderShape,
  DeviceName,
  HubSource,
  ModelFeature,
  ModelSource,
  PipSource,
} from './models/catalogue-entry.js';
export type { LoadProgress, OnLoadProgress } from './models/progress.js';
export type { SamplingOptions } from './sampling/sampling.js';
export type { StreamDecoder, Tokenizer } from './tokenizer/tokenizer.js';
export type { InstalledRuntime } from './setup/manifest.js';
export {
  installedOpenvinos,
  removeOpenvino,
  setupOpenvino,
  type SetupOpenvinoOptions,
  type SetupProgress,
  type SetupResult,
} from './setup/setup-openvino.js';
export type { AnswerComparison, AnswerVerdict, Parting } from './verify/compare-tokens.js';
export { verifyModel, type ReferenceKind, type Verification, type VerifyModelOptions } from './verify/verify-model.js';
