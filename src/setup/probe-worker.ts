/** A process of its own that loads the OpenVINO library in OPENVINO_LIB_DIR and tells what it is: loading may crash. */
import { loadOvApi } from '../engine/openvino/c-api.js';
import type { ProbeMessage } from './probe.js';

/** Each message holds what was known by then: drivers of other devices may crash the process after the CPU was seen. */
async function* answer(): AsyncGenerator<ProbeMessage, void> {
  try {
    const api = await loadOvApi();
    await api.async.deviceProperty('CPU', 'FULL_DEVICE_NAME');
    const facts = { version: api.version, buildNumber: api.buildNumber, libraryFile: api.file };
    yield { ...facts, devices: ['CPU'] };
    yield { ...facts, devices: await api.async.availableDevices() };
  } catch (error) {
    yield { problem: error instanceof Error ? error.message : String(error) };
  }
}

function tell(message: ProbeMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

for await (const message of answer()) await tell(message);
process.disconnect();
