/** Suites that need OpenVINO's library: skipped by name where there is none, failing where it must be there. */
import path from 'node:path';
import { describe, it } from 'vitest';
import { loadOvApi } from '../src/engine/openvino/c-api.js';
import { findOpenvinoLibrary } from '../src/engine/openvino/find-library.js';

const reason = await loadOvApi().then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

/**
 * describe() for tests that load OpenVINO. Without its library they are skipped, and the name says so;
 * AIPC_REQUIRE_OPENVINO=1 makes that a failure instead.
 */
export function describeWithOpenvino(name: string, suite: () => void): void {
  if (reason === undefined) {
    describe(name, suite);
  } else if (process.env['AIPC_REQUIRE_OPENVINO'] === '1') {
    describe(name, () => {
      it('finds the OpenVINO library, which AIPC_REQUIRE_OPENVINO=1 asks for', () => {
        throw new Error(reason);
      });
    });
  } else {
    describe.skip(`${name} (the OpenVINO library was not found; set OPENVINO_LIB_DIR)`, suite);
  }
}

/** For child processes with a cache of their own: the library that this process found, wherever it is. */
export function openvinoEnvironment(): Record<string, string> {
  return reason === undefined ? { OPENVINO_LIB_DIR: path.dirname(findOpenvinoLibrary()) } : {};
}
