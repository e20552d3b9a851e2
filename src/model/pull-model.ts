/** pullModel(): all that the first answer would have to wait for, done now: downloaded, converted, compiled. */
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { resolveDevice } from './choose-device.js';
import { findOffered, offersNone, type PluginQuery } from '../engine/onnxruntime/plugin-provider.js';
import { askPlugins } from '../machine/ask-runtimes.js';
import { requirePlugins } from '../machine/plugin-libraries.js';
import { LOADING_KEYS, type LoadingOptions, type LoadModelOptions } from './load-options.js';
import { openvinoModels } from './openvino-model.js';
import { prepareModel } from './prepare-model.js';
import { readWeightFormat } from './provenance.js';

export type PullModelOptions = Pick<
  LoadModelOptions,
  | keyof LoadingOptions
  | 'device'
  | 'provider'
  | 'weightFormat'
  | 'prefer'
  | 'promptTokens'
  | 'onDeviceChoice'
  | 'onWarning'
  | 'onProgress'
  | 'signal'
> & {
  /** Default if-changed: a repository on the hub is asked for news. never: what is here is converted and compiled. */
  readonly download?: 'never' | 'if-changed';
};

export interface PulledModel {
  readonly id: string;
  /** Commit or version of the source; null: it has none. */
  readonly revision: string | null;
  /** Where the source's files are. Absolute. */
  readonly sourcePath: string;
  /** What the runtime opens: the source itself, or its conversion. Absolute. */
  readonly folder: string;
  readonly isConverted: boolean;
  /** Null: a ready-made folder that does not say. */
  readonly weightFormat: string | null;
  readonly runtime: 'onnxruntime' | 'openvino';
  readonly device: string;
  /** As in --provider: a plug-in's name, too. */
  readonly provider: string;
  /** Whether the runtime keeps a compiled model for that device. */
  readonly isCompiled: boolean;
  /** Why the catalogue chose this source; null: the caller did. */
  readonly reason: string | null;
}

const KEYS = [
  ...LOADING_KEYS,
  ...['device', 'provider', 'weightFormat', 'prefer', 'promptTokens', 'onDeviceChoice'],
  ...['onWarning', 'onProgress', 'signal', 'download'],
];

/**
 * Brings what is missing, converts it for the device and, for a GPU or an NPU, loads it once so that the compiled model is
 * in the cache. A plug-in is loaded in a process of its own, to see that it offers the device. Throws what loadModel() throws.
 */
export async function pullModel(reference: string, options: PullModelOptions = {}): Promise<PulledModel> {
  refuseUnknownKeys('pullModel', options, KEYS);
  const { download, ...given } = options;
  const mode = checkChoice('pullModel', 'download', download ?? 'if-changed', ['never', 'if-changed']);
  const fetching = mode === 'never' ? 'never' : 'refresh';
  const { options: loadOptions, plugin } = await resolveDevice(reference, given, fetching);
  if (plugin !== undefined) await requirePluginDevice(plugin, given.signal);
  const prepared = await prepareModel(reference, loadOptions, fetching);
  const { resolved, target, folder, reason } = prepared;
  const isCompiled = target.runtime === 'openvino' && target.device !== 'cpu';
  if (isCompiled) {
    const { engine } = await openvinoModels.open(folder, target, loadOptions);
    await engine.dispose();
  }
  return {
    id: resolved.id,
    revision: resolved.revision,
    sourcePath: resolved.path,
    folder,
    isConverted: folder !== resolved.path,
    weightFormat: resolved.storedWeightFormat ?? (await readWeightFormat(folder)),
    runtime: target.runtime,
    device: plugin?.kind ?? target.device,
    provider: plugin?.name ?? (target.runtime === 'openvino' ? 'openvino' : target.provider),
    isCompiled,
    reason,
  };
}

/** In a process of its own. Throws what detectDevices() throws, and DEVICE_NOT_FOUND. */
async function requirePluginDevice(plugin: PluginQuery, signal: AbortSignal | undefined): Promise<void> {
  const asked = await askPlugins([plugin], signal);
  requirePlugins(asked);
  const offered = asked.flatMap(({ answer }) => answer.devices);
  if (findOffered(plugin, offered) === undefined) throw offersNone(plugin, offered);
}
