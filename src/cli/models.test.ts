/** Models by name and by Hugging Face id, from a hub on loopback, through the program itself. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeWithOpenvino, openvinoEnvironment } from '../../test/openvino.js';
import { startHubServer, testBytes, type HubServer, type TestFile } from '../hub/testing/hub-server.js';
import { runCli, type Ended, type RunOptions } from './testing/run-cli.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const golden = path.join(repository, 'test', 'golden', 'models');
const contract = path.join(repository, 'test', 'contract', 'models');

let folder: string;
let hub: HubServer;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-by-name-'));
  hub = await startHubServer();
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function aipc(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const environment = {
    AIPC_CACHE: path.join(folder, 'aipc'),
    HF_HOME: path.join(folder, 'hf'),
    HF_HUB_CACHE: path.join(folder, 'hf', 'hub'),
    HF_ENDPOINT: hub.endpoint,
    HF_TOKEN: '',
    HF_HUB_OFFLINE: '',
    ...options.environment,
  };
  return runCli(args, { ...options, environment });
}

function files(source: string, names: readonly string[], into = ''): TestFile[] {
  return names.map((name) => ({
    path: into + name,
    content: readFileSync(path.join(source, name)),
    lfs: /\.(?:safetensors|data|gguf|bin)$/u.test(name),
  }));
}

const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json'];
const WEIGHTS = ['config.json', 'generation_config.json', 'model.safetensors', ...TOKENIZER];
const tiny = (): TestFile[] => [
  ...files(path.join(golden, 'phi3-window'), WEIGHTS),
  { path: 'README.md', content: testBytes(10) },
  { path: 'pytorch_model.bin', content: testBytes(5000), lfs: true },
];

/** Microsoft's layout: folders for several runtimes. Here the tokenizer is in the repository's root alone. */
const ONNX_FOLDER = 'cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4/';
const phi3Mini = (): TestFile[] => [
  ...files(
    path.join(contract, 'builder-cpu-int4'),
    ['genai_config.json', 'model.onnx', 'model.onnx.data'],
    ONNX_FOLDER,
  ),
  ...files(path.join(golden, 'phi3-window'), [...TOKENIZER, 'config.json']),
  { path: 'cuda/cuda-fp16/genai_config.json', content: testBytes(100) },
  { path: 'cuda/cuda-fp16/model.onnx.data', content: testBytes(100_000), lfs: true },
];

const ANSWER = ['--max-new-tokens', '3', '--json'];

interface JsonAnswer {
  readonly tokenIds: readonly number[];
  readonly model: { readonly id: string; readonly revision: string; readonly weightFormat: string };
}

function answerOf({ exitCode, stdout, stderr }: Ended): JsonAnswer {
  expect([exitCode, stderr.replace(/^(?:compile|convert|download) .*\n/gmu, '')]).toEqual([0, '']);
  return JSON.parse(stdout) as JsonAnswer;
}

const fetched = (): readonly string[] =>
  hub.requests
    .filter(({ method, url }) => method === 'GET' && url.includes('/resolve/'))
    .map(({ url }) => path.basename(url));

/** A place where nobody answers: connections are dropped, and counted. */
async function deadEndpoint(): Promise<{ endpoint: string; connections: () => number } & AsyncDisposable> {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    connections: () => connections,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

describe('aipc run with a Hugging Face id', () => {
  it('fetches what is needed, converts it once and answers; later without asking anybody', async () => {
    const commit = hub.publish({ repo: 'org/tiny', files: tiny() });
    const first = answerOf(await aipc(['run', 'org/tiny', 'Hello', ...ANSWER]));
    expect(first.model).toMatchObject({ id: 'org/tiny', revision: commit, weightFormat: 'int4' });
    expect([...fetched()].sort()).toEqual([...WEIGHTS].sort());
    const before = hub.requests.length;
    for (const flags of [[], ['--offline'], ['--revision', 'main']]) {
      expect(answerOf(await aipc(['run', 'org/tiny', 'Hello', ...ANSWER, ...flags])).tokenIds).toEqual(first.tokenIds);
    }
    expect(hub.requests.length).toBe(before);
    expect(await readdir(path.join(folder, 'aipc', 'conversions'))).toHaveLength(1);
  });

  it('takes a revision, by @ or by --revision, and converts each commit for itself', async () => {
    const main = hub.publish({ repo: 'org/tiny', files: tiny() });
    const other = hub.publish({
      repo: 'org/tiny',
      branch: 'v1',
      files: files(path.join(golden, 'phi3-gqa'), WEIGHTS),
    });
    expect(answerOf(await aipc(['run', 'org/tiny@v1', 'Hello', ...ANSWER])).model.revision).toBe(other);
    expect(answerOf(await aipc(['run', 'org/tiny', 'Hello', ...ANSWER, '--revision', other])).model.revision).toBe(
      other,
    );
    expect(answerOf(await aipc(['run', 'org/tiny', 'Hello', ...ANSWER])).model.revision).toBe(main);
    expect(await readdir(path.join(folder, 'aipc', 'conversions'))).toHaveLength(2);
  });

  it('takes one .gguf file of a repository', async () => {
    const gguf = files(golden, ['llama-tiny.f16.gguf']);
    hub.publish({ repo: 'org/gguf', files: [...gguf, { path: 'other.gguf', content: testBytes(100), lfs: true }] });
    const ambiguous = await aipc(['run', 'org/gguf', 'Hello', ...ANSWER]);
    expect(ambiguous).toMatchObject({ exitCode: 1 });
    expect(ambiguous.stderr).toContain('Name one: org/gguf:llama-tiny.f16.gguf, org/gguf:other.gguf');
    answerOf(await aipc(['run', 'org/gguf:llama-tiny.f16.gguf', '--raw', 'Hello', ...ANSWER]));
    expect(fetched()).toEqual(['llama-tiny.f16.gguf']);
  });

  it('refuses an architecture that it does not run before the weights are fetched', async () => {
    const config = Buffer.from(JSON.stringify({ model_type: 'gemma' }));
    const changed = tiny().map((file) => (file.path === 'config.json' ? { ...file, content: config } : file));
    hub.publish({ repo: 'org/gemma', files: changed });
    const ended = await aipc(['run', 'org/gemma', 'Hello']);
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toContain('ARCHITECTURE_UNSUPPORTED');
    expect(fetched()).not.toContain('model.safetensors');
  });

  it('goes on after it was killed in a download', async () => {
    hub.publish({ repo: 'org/tiny', files: tiny() });
    const half = new Promise<void>((resolve) => {
      hub.onFile = ({ path: name, origin }) => {
        if (origin !== 'cdn' || name !== 'model.safetensors') return undefined;
        setTimeout(resolve, 300);
        return { stallAfterBytes: 100_000 };
      };
    });
    expect(
      (await aipc(['run', 'org/tiny', 'Hello', ...ANSWER], { kill: { when: half, signal: 'SIGKILL' } })).exitCode,
    ).toBeNull();
    hub.onFile = () => undefined;
    const list = await aipc(['list', '--json']);
    expect(JSON.parse(list.stdout)).toMatchObject({ local: [{ id: 'org/tiny', isComplete: false }] });
    answerOf(await aipc(['run', 'org/tiny', 'Hello', ...ANSWER]));
    const bytes = tiny().find(({ path: name }) => name === 'model.safetensors')?.content.length ?? 0;
    expect(hub.sentBytes).toBeLessThan(2 * bytes);
  });
});

describe('aipc run with a name', () => {
  it('takes the folder for the CPU of Microsoft’s repository, and nothing else of it', async () => {
    hub.publish({ repo: 'microsoft/Phi-3-mini-4k-instruct-onnx', files: phi3Mini() });
    const { model } = answerOf(await aipc(['run', 'phi-3-mini', 'Hello', ...ANSWER]));
    expect(model).toMatchObject({ id: 'phi-3-mini-4k', weightFormat: 'int4' });
    expect([...fetched()].sort()).toEqual(['genai_config.json', 'model.onnx', 'model.onnx.data', ...TOKENIZER].sort());
    expect(existsSync(path.join(folder, 'aipc', 'conversions'))).toBe(false);
  });

  it('says in two lines what it wanted, from where, and what works, where there is no network', async () => {
    await using dead = await deadEndpoint();
    const { endpoint } = dead;
    const ended = await aipc(['run', 'phi-3-mini', 'Hello'], { environment: { HF_ENDPOINT: endpoint } });
    expect(dead.connections()).toBeLessThanOrEqual(3); // a person waits
    expect([ended.exitCode, ended.stdout]).toEqual([1, '']);
    const lines = ended.stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain('phi-3-mini-4k is not on this machine: wanted 2.7 GB (int4 ONNX) from ' + endpoint);
    expect(lines[1]).toContain('aipc run demo');
    const demo = await aipc(['run', 'demo', 'Hello', ...ANSWER], { environment: { HF_ENDPOINT: endpoint } });
    expect(demo.exitCode).toBe(0);
  });

  it.each([
    ['--offline', ['--offline'], {}],
    ['HF_HUB_OFFLINE', [], { HF_HUB_OFFLINE: '1' }],
  ])('asks nobody with %s', async (_, flags, environment) => {
    hub.publish({ repo: 'microsoft/Phi-3-mini-4k-instruct-onnx', files: phi3Mini() });
    const ended = await aipc(['run', 'phi-3-mini', 'Hello', ...flags], { environment });
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(2);
    expect(ended.stderr).toContain('MODEL_NOT_FOUND');
    expect(hub.requests).toHaveLength(0);
  });

  it('uses weights that are here where the folder that suits best is not, and cannot be fetched', async () => {
    hub.publish({ repo: 'microsoft/Phi-3-mini-4k-instruct', files: tiny() });
    answerOf(await aipc(['run', 'microsoft/Phi-3-mini-4k-instruct', 'Hello', ...ANSWER]));
    const { model } = answerOf(await aipc(['run', 'phi-3-mini', 'Hello', ...ANSWER, '--offline']));
    expect(model).toMatchObject({ id: 'phi-3-mini-4k', weightFormat: 'int4' });
  });
});

describe('aipc export with a Hugging Face id', () => {
  it('takes the cookbook’s line', async () => {
    hub.publish({ repo: 'microsoft/Phi-3-mini-4k-instruct', files: tiny() });
    const model = ['--model', 'microsoft/Phi-3-mini-4k-instruct'];
    const [ir, onnx] = [path.join(folder, 'out', 'ir'), path.join(folder, 'out', 'onnx')];
    const cookbook = ['--task', 'text-generation-with-past', '--weight-format', 'int8', '--trust-remote-code'];
    expect(await aipc(['export', 'openvino', ...model, ...cookbook, ir])).toMatchObject({ exitCode: 0 });
    expect(await aipc(['export', 'onnx', ...model, '--offline', onnx])).toMatchObject({ exitCode: 0 });
    expect(existsSync(path.join(ir, 'openvino_model.xml')) && existsSync(path.join(onnx, 'genai_config.json'))).toBe(
      true,
    );
  });

  it('takes the weights of a name, though a ready-made folder suits better for running', async () => {
    hub.publish({ repo: 'microsoft/Phi-3-mini-4k-instruct', files: tiny() });
    const out = path.join(folder, 'out');
    expect(await aipc(['export', 'onnx', '--model', 'phi-3-mini', out])).toMatchObject({ exitCode: 0 });
  });
});

describe('aipc pull, list, show, rm and cache prune', () => {
  it('bring a model, tell what there is, take it out, and say what each does', async () => {
    hub.publish({ repo: 'org/tiny', files: tiny() });
    const pulled = await aipc(['pull', 'org/tiny', '--weight-format', 'int8']);
    expect([pulled.exitCode, pulled.stdout]).toEqual([
      0,
      expect.stringMatching(
        /^org\/tiny: ready for CPU, provider cpu\ndownloaded: .*\nconverted: .*int8.*\ncompiled: .*not needed/u,
      ),
    ]);
    const run = await aipc(['run', 'org/tiny', 'Hello', ...ANSWER, '--weight-format', 'int8', '--offline']);
    expect(answerOf(run).model.weightFormat).toBe('int8');

    const list = await aipc(['list']);
    expect(list.stdout).toMatch(/^phi-3-mini-4k, phi-3-mini +3\.8B +4k +MIT +2\.7 GB +2\.1 GB/mu);
    expect(list.stdout).toMatch(/^download +org\/tiny +weights +\S+ MB +cpu gpu npu/mu);
    expect(list.stdout).toMatch(/^conversion +org\/tiny +onnx int8 +\S+ MB +cpu/mu);

    const show = await aipc(['show', 'org/tiny', '--offline']);
    expect(show.stdout).toMatch(/^org\/tiny: weights, converted when loaded.*in \//u);

    const refused = await aipc(['rm', 'org/tiny']);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('--yes') as string]);
    const removed = await aipc(['rm', 'org/tiny', '--yes']);
    expect([removed.exitCode, removed.stdout]).toEqual([0, expect.stringMatching(/freed \S+ MB\n$/u) as string]);
    expect((JSON.parse((await aipc(['list', '--json'])).stdout) as { local: unknown[] }).local).toEqual([]);
    expect(existsSync(path.join(folder, 'hf', 'hub', 'models--org--tiny'))).toBe(false);
    expect((await aipc(['run', 'org/tiny', 'Hello', '--offline'])).exitCode).toBe(1);
  });

  it('pull again looks for news, which run does not', async () => {
    const first = hub.publish({ repo: 'org/tiny', files: tiny() });
    await aipc(['pull', 'org/tiny']);
    const second = hub.publish({ repo: 'org/tiny', files: files(path.join(golden, 'phi3-gqa'), WEIGHTS) });
    expect(answerOf(await aipc(['run', 'org/tiny', 'Hello', ...ANSWER])).model.revision).toBe(first);
    expect(JSON.parse((await aipc(['pull', 'org/tiny', '--json'])).stdout)).toMatchObject({ revision: second });
    expect(answerOf(await aipc(['run', 'org/tiny', 'Hello', ...ANSWER])).model.revision).toBe(second);
  });

  it('show says what a name means on each device, and what a repository holds, without fetching weights', async () => {
    const known = await aipc(['show', 'phi-3.5-mini']);
    expect(known.stdout).toMatch(/CPU: Microsoft's own int4 folder/u);
    expect(known.stdout).toMatch(/NPU: Intel's own int4 folder for OpenVINO on the NPU/u);
    expect(known.stdout).toMatch(/microsoft\/Phi-3\.5-mini-instruct +weights fp16/u);
    expect(hub.requests).toHaveLength(0);
    hub.publish({ repo: 'org/tiny', files: tiny() });
    const show = await aipc(['show', 'org/tiny', '--json']);
    expect(JSON.parse(show.stdout)).toMatchObject({ id: 'org/tiny', kind: 'weights', path: null, layers: 2 });
    expect(fetched()).not.toContain('model.safetensors');
  });

  it('cache prune removes what was left half-made', async () => {
    const left = path.join(folder, 'aipc', 'conversions', 'x.partial-999999-0123456789abcdef');
    await mkdir(left, { recursive: true });
    const told = await aipc(['cache', 'prune', '--dry-run']);
    expect([told.exitCode, told.stdout]).toEqual([0, expect.stringMatching(/x\.partial.*\nwould free/su) as string]);
    expect(existsSync(left)).toBe(true);
    await aipc(['cache', 'prune']);
    expect(existsSync(left)).toBe(false);
  });
});

describeWithOpenvino('aipc run with a name, on OpenVINO', () => {
  it('takes the folder that Intel publishes for the device, and runs it as it is', async () => {
    const source = path.join(contract, 'optimum-int4-sym-channel');
    const configs = ['config.json', 'generation_config.json', 'openvino_config.json', 'chat_template.jinja'];
    const rest = [...configs, 'openvino_model.bin', ...TOKENIZER];
    const xml = gunzipSync(readFileSync(path.join(source, 'openvino_model.xml.gz')));
    const wanted = [...files(source, rest), { path: 'openvino_model.xml', content: xml }];
    hub.publish({
      repo: 'OpenVINO/Phi-3-mini-4k-instruct-int4-ov',
      files: [...wanted, { path: 'openvino_tokenizer.bin', content: testBytes(1000), lfs: true }],
    });
    const args = ['run', 'phi-3-mini', 'Hello', ...ANSWER, '--provider', 'openvino', '--weight-format', 'int4'];
    const { model } = answerOf(await aipc(args, { environment: openvinoEnvironment() }));
    expect(model).toMatchObject({ id: 'phi-3-mini-4k', weightFormat: 'int4' });
    expect([...fetched()].sort()).toEqual(wanted.map((file) => file.path).sort());
    expect(existsSync(path.join(folder, 'aipc', 'conversions'))).toBe(false);
  });

  it('says that OpenVINO is missing before anything large is fetched for it', async () => {
    hub.publish({ repo: 'org/tiny', files: tiny() });
    const nowhere = { OPENVINO_LIB_DIR: path.join(folder, 'nowhere') };
    const ended = await aipc(['run', 'org/tiny', 'Hello', '--device', 'npu'], { environment: nowhere });
    expect([ended.exitCode, ended.stderr]).toEqual([1, expect.stringContaining('RUNTIME_LIBRARY_NOT_FOUND') as string]);
    expect(fetched()).not.toContain('model.safetensors');
  });
});

describeWithOpenvino('aipc pull for the NPU, emulated', () => {
  it('downloads, converts and compiles; the run after it compiles nothing', async () => {
    hub.publish({
      repo: 'org/deep',
      files: files(path.join(golden, 'phi3-deep'), [
        'config.json',
        'generation_config.json',
        'model.safetensors.index.json',
        'model-00001-of-00002.safetensors',
        'model-00002-of-00002.safetensors',
        ...TOKENIZER,
      ]),
    });
    const npu = [
      '--device',
      'npu',
      '--ov-config',
      'NPUW_DEVICES=CPU',
      '--max-prompt-tokens',
      '128',
      '--min-response-tokens',
      '64',
    ];
    const options = { environment: openvinoEnvironment() };
    const pulled = await aipc(['pull', 'org/deep', ...npu], options);
    expect([pulled.exitCode, pulled.stdout]).toEqual([
      0,
      expect.stringMatching(
        /ready for NPU, provider openvino\ndownloaded: .*\nconverted: .*int4.*\ncompiled: +for npu/u,
      ) as string,
    ]);
    const list = JSON.parse((await aipc(['list', '--json'], options)).stdout) as {
      local: { kind: string; compiled: { device: string; sizeBytes: number }[] }[];
    };
    expect(list.local.find(({ kind }) => kind === 'conversion')?.compiled).toMatchObject([{ device: 'npu' }]);
    const run = await aipc(['run', 'org/deep', 'Hello', ...ANSWER, ...npu, '--offline'], options);
    expect(run.exitCode).toBe(0);
    const removed = await aipc(['rm', 'org/deep', '--yes'], options);
    expect(removed.stdout).toMatch(/^compiled /mu);
    expect(await readdir(path.join(folder, 'aipc', 'compiled')).catch(() => [])).toHaveLength(1);
  });
});
