/** A process of its own that loads the OpenVINO library in OPENVINO_LIB_DIR and tells what it is: loading may crash. */
import { loadOvApi } from '../engine/openvino/c-api.js';
import type { ProbeAnswer } from './probe.js';

async function answer(): Promise<ProbeAnswer> {
  try {
    const api = await loadOvApi();
    return {
      version: api.version,
      buildNumber: api.buildNumber,
      libraryFile: api.file,
      devices: await api.async.availableDevices(),
    };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

process.send?.(await answer());
process.disconnect();
