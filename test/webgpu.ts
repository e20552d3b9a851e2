/**
 * Suites that need WebGPU: skipped by name where the provider does not start, failing where it must. On Linux without a
 * graphics card the software Vulkan device of Debian's `chromium` serves (and `libvulkan1`, the loader); it has no f16.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { appendProvider } from '../src/engine/onnxruntime/append-provider.js';
import { loadOrtApi, takePointer } from '../src/engine/onnxruntime/c-api.js';
import { PROVIDER_PROFILES } from '../src/engine/onnxruntime/providers.js';

const SOFTWARE_DEVICE = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** For child processes too: they inherit the environment. */
function useSoftwareDevice(): void {
  if (process.platform !== 'linux' || !existsSync(SOFTWARE_DEVICE)) return;
  process.env['VK_ICD_FILENAMES'] ??= SOFTWARE_DEVICE;
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir(); // silences the window system
}

async function whyNot(): Promise<string | undefined> {
  useSoftwareDevice();
  try {
    const api = await loadOrtApi();
    const options = takePointer((out) => api.CreateSessionOptions(out));
    try {
      appendProvider(api, options, PROVIDER_PROFILES.webgpu, { index: undefined, options: {} });
      return undefined;
    } finally {
      api.ReleaseSessionOptions(options);
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const reason = await whyNot();

/**
 * describe() for tests that run on WebGPU. Where it does not start they are skipped, and the name says so;
 * AIPC_REQUIRE_WEBGPU=1 makes that a failure instead.
 */
export function describeWithWebgpu(name: string, suite: () => void): void {
  if (reason === undefined) {
    describe(name, suite);
  } else if (process.env['AIPC_REQUIRE_WEBGPU'] === '1') {
    describe(name, () => {
      it('finds a WebGPU device, which AIPC_REQUIRE_WEBGPU=1 asks for', () => {
        throw new Error(reason);
      });
    });
  } else {
    describe.skip(`${name} (WebGPU does not start here; on Linux install chromium and libvulkan1)`, suite);
  }
}
