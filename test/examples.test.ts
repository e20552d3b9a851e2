/** The programs in examples/, run as a reader would run them. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithProvider } from './gpu-providers.js';
import { describeWithOpenvino, openvinoEnvironment } from './openvino.js';

const anyPhi = path.join('test', 'golden', 'models', 'phi3-deep');

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
let introduction: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-examples-'));
  const reference = JSON.parse(await readFile(path.join('models', 'demo', 'reference.json'), 'utf8')) as {
    outputText: string;
  };
  introduction = reference.outputText;
});
afterAll(() => rm(folder, { recursive: true }));

async function run(example: string, ...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [path.join('dist', 'examples', `${example}.js`), ...args], {
    env: { ...process.env, ...openvinoEnvironment(), AIPC_CACHE: path.join(folder, 'cache') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { exitCode, stdout, stderr };
}

describeWithOpenvino('examples on OpenVINO', () => {
  it('01-npu: the demo model introduces itself on the emulated NPU', async () => {
    const ended = await run('01-npu', 'demo', 'NPUW_DEVICES=CPU');
    expect(ended).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('emulated') as string });
    expect(ended.stdout).toContain(introduction.slice(0, 40));
  });

  it('01-npu: any other Phi answers there, too', async () => {
    const ended = await run('01-npu', anyPhi, 'NPUW_DEVICES=CPU');
    expect(ended).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('emulated') as string });
  });

  it("03-openvino: exports the demo model with the cookbook's options and answers on the CPU", async () => {
    const ended = await run('03-openvino', 'demo', 'cpu', path.join(folder, 'openvinomodel', 'phi3', 'int4'));
    expect(ended).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('cpu: ') as string });
    expect(ended.stdout).toContain(introduction.slice(0, 40));
  });
});

for (const [provider, ...rest] of [
  ['cpu', '64'],
  ['webgpu', '6', 'fp32'], // a software device is slow
] as const) {
  const name = `02-directml: the demo model introduces itself by the provider ${provider}`;
  const suite = (): void => {
    it('and says what ran', { timeout: 300_000 }, async () => {
      const ended = await run('02-directml', 'demo', provider, ...rest);
      expect(ended).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`, ${provider}: `) as string });
      expect(ended.stdout.length).toBeGreaterThan(10);
      expect(introduction.slice(0, 40)).toContain(ended.stdout.slice(0, 20).trim());
    });
  };
  if (provider === 'cpu') describe(name, suite);
  else describeWithProvider(provider, name, suite);
}
