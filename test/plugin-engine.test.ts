/**
 * A plug-in execution provider from end to end: the WebGPU of the wheel onnxruntime-ep-webgpu computes on a software Vulkan
 * device (Debian's `chromium`) the tokens that the CPU computes. ONNX Runtime finds GPUs under /sys/class/drm; where
 * there is none, the test shows its process one there, in a mount namespace of its own.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../src/index.js';

const SOFTWARE_DEVICE = '/usr/lib/chromium/vk_swiftshader_icd.json';
const library = process.env['AIPC_EP_WEBGPU'];
const canShow = process.platform === 'linux' && spawnSync('unshare', ['-m', 'true']).status === 0;
const canRun = library !== undefined && canShow && existsSync(SOFTWARE_DEVICE);

describe.skipIf(!canRun)(
  "a plug-in provider [needs chromium, unshare(1) and the path of onnxruntime-ep-webgpu's library in AIPC_EP_WEBGPU]",
  () => {
    let folder: string;
    let model: string;
    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'aipc-plugin-'));
      model = path.join(folder, 'model');
      const source = path.join('test', 'golden', 'models', 'phi3-gqa');
      await exportModel(source, model, { target: 'webgpu', activations: 'fp32', weightFormat: 'fp32' });
      const device = path.join(folder, 'class', 'drm', 'card0', 'device');
      await mkdir(device, { recursive: true });
      for (const [name, value] of Object.entries({ vendor: '0x1234', device: '0x0001', class: '0x030000' })) {
        await writeFile(path.join(device, name), `${value}\n`);
      }
    });
    afterAll(() => rm(folder, { recursive: true }));

    interface Run {
      readonly info: Record<string, unknown>;
      readonly tokens: readonly number[];
    }

    /** In a process of its own, to which the folder is /sys/class. */
    function node(...args: readonly string[]): SpawnSyncReturns<string> {
      return spawnSync(
        'unshare',
        [
          ...['-m', 'bash', '-c', 'mount --bind "$1" /sys/class && shift && exec "$@"', 'bash'],
          ...[path.join(folder, 'class'), process.execPath, ...args],
        ],
        {
          encoding: 'utf8',
          env: {
            ...process.env,
            VK_ICD_FILENAMES: SOFTWARE_DEVICE,
            XDG_RUNTIME_DIR: folder,
            AIPC_CACHE: path.join(folder, 'cache'),
          },
        },
      );
    }

    const aipc = (...args: readonly string[]): SpawnSyncReturns<string> =>
      node(path.join('dist', 'src', 'cli', 'main.js'), ...args);

    /** Eight greedy tokens. */
    function run(options: object): Run {
      const engine = new URL('../src/engine/onnxruntime/onnxruntime-engine.js', import.meta.url).href;
      const script = `
        const { createOnnxRuntimeEngine } = await import(${JSON.stringify(engine)});
        const engine = await createOnnxRuntimeEngine(${JSON.stringify(model)}, ${JSON.stringify({ contextTokens: 512, ...options })});
        const slot = await engine.openSlot({ capacityTokens: 512 });
        const tokens = [];
        for (let next = [1, 2, 3, 4, 5, 6, 7]; tokens.length < 8; next = [tokens.at(-1)]) {
          const [{ data }] = await engine.forward([
            { slot, tokens: Int32Array.from(next), finalLength: 20, logits: 'last' },
          ]);
          tokens.push(data.indexOf(Math.max(...data)));
        }
        console.log(JSON.stringify({ info: engine.info, tokens }));
        await engine[Symbol.asyncDispose]();`;
      const { stdout, stderr, status } = node('--input-type=module', '-e', script);
      expect([status, stdout], stderr).toEqual([0, expect.stringContaining('tokens')]);
      return JSON.parse(stdout) as Run;
    }

    it("computes the CPU's tokens, and says which device of which provider it was", () => {
      const cpu = run({});
      const plugin = run({ plugin: { name: 'MyWebGPU', library, kind: 'gpu' } });
      expect(plugin.info).toMatchObject({
        provider: 'MyWebGPU',
        device: 'gpu',
        deviceName: 'GPU of WebGpuExecutionProvider (Microsoft)',
        emulated: true,
      });
      expect(cpu.info).toMatchObject({ provider: 'cpu' });
      expect(plugin.tokens).toEqual(cpu.tokens);
      expect(new Set(plugin.tokens).size).toBeGreaterThan(2);
    });

    const libraries = ['--ep-library', `MyWebGPU=${library ?? ''}`];

    it('is listed by aipc devices with its device and how to choose it, after the CPU where it is software', () => {
      const { stdout, stderr } = aipc('devices', ...libraries, '--model', 'demo', '--json');
      expect(stdout, stderr).not.toBe('');
      const { providers, recommendations } = JSON.parse(stdout) as Record<string, object>;
      expect(providers).toContainEqual(
        expect.objectContaining({
          provider: 'MyWebGPU',
          offers: [
            expect.objectContaining({
              ...{ deviceId: 'gpu.0', kind: 'gpu', epName: 'WebGpuExecutionProvider', epVendor: 'Microsoft' },
              hardware: expect.objectContaining({ vendorId: 0x1234, deviceId: 1 }) as object,
              isSoftware: true,
            }),
          ],
        }),
      );
      const last = expect.objectContaining({ deviceId: 'gpu.0', provider: 'MyWebGPU' }) as object;
      expect(recommendations).toMatchObject({ ranked: [{ deviceId: 'cpu' }, last] });
      expect(aipc('devices', ...libraries, '--model', 'demo').stdout).toContain('--provider MyWebGPU --device gpu.0');
    });

    it('is asked in another process by pull, which runs nothing of it', () => {
      const given = ['pull', 'demo', ...libraries, '--provider', 'MyWebGPU', '--json', '--device'];
      expect(JSON.parse(aipc(...given, 'gpu').stdout)).toMatchObject({ device: 'gpu', provider: 'MyWebGPU' });
      expect(aipc(...given, 'npu').stderr).toContain('DEVICE_NOT_FOUND');
    });

    it('runs where --device gpu finds nothing else, and verify finds that it agrees', { timeout: 300_000 }, () => {
      const tiny = path.join('test', 'golden', 'models', 'phi3-gqa');
      const given = ['verify', tiny, ...libraries, '--weight-format', 'fp32', '--new-tokens', '3', '--prompt', 'Hello'];
      const { stdout, stderr } = aipc(...given, '--device', 'gpu', '--json');
      expect(stdout, stderr).not.toBe('');
      expect(JSON.parse(stdout)).toMatchObject({
        device: { provider: 'MyWebGPU', device: 'gpu.0', emulated: true },
        reference: { provider: 'cpu' },
        agrees: true,
      });
    });
  },
);
