/**
 * Suites that need a GPU provider of ONNX Runtime: skipped by name where it does not start, failing where it must. On
 * Linux without a graphics card the software Vulkan device of Debian's `chromium` serves as a WebGPU device (and
 * `libvulkan1`, the loader); it has no f16.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { checkProvider } from '../src/engine/onnxruntime/append-provider.js';
import { PROVIDER_PROFILES } from '../src/engine/onnxruntime/providers.js';
import type { GpuProvider } from '../src/model/target.js';

const SOFTWARE_DEVICE = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** For child processes too: they inherit the environment. */
function useSoftwareDevice(): void {
  if (process.platform !== 'linux' || !existsSync(SOFTWARE_DEVICE)) return;
  process.env['VK_ICD_FILENAMES'] ??= SOFTWARE_DEVICE;
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir(); // silences the window system
}

async function whyNot(provider: GpuProvider): Promise<string | undefined> {
  if (provider === 'webgpu') useSoftwareDevice();
  try {
    await checkProvider(PROVIDER_PROFILES[provider], { index: undefined, options: {} });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const reasons = { dml: await whyNot('dml'), webgpu: await whyNot('webgpu'), cuda: await whyNot('cuda') };

/**
 * describe() for tests that run on a GPU provider. Where it does not start they are skipped, and the name says so;
 * AIPC_REQUIRE_WEBGPU=1 (or _DML, _CUDA) makes that a failure instead.
 */
export function describeWithProvider(provider: GpuProvider, name: string, suite: () => void): void {
  const reason = reasons[provider];
  const variable = `AIPC_REQUIRE_${provider.toUpperCase()}`;
  if (reason === undefined) {
    describe(name, suite);
  } else if (process.env[variable] === '1') {
    describe(name, () => {
      it(`finds a device for ${provider}, which ${variable}=1 asks for`, () => {
        throw new Error(reason);
      });
    });
  } else {
    describe.skip(`${name} (${PROVIDER_PROFILES[provider].label} does not start here)`, () => {
      it('runs where it does', () => undefined);
    });
  }
}
