/** The command line as a program: arguments in, output and exit codes out. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithOpenvino, openvinoEnvironment } from '../../test/openvino.js';
import { runCli, type Ended, type RunOptions } from './testing/run-cli.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const tinyModel = path.join(repository, 'test', 'golden', 'models', 'phi3-window');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aipc-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

function aipc(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const environment = { AIPC_CACHE: path.join(folder, 'cache'), ...options.environment };
  return runCli(args, { ...options, environment });
}

interface JsonAnswer {
  readonly schemaVersion: number;
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly finishReason: string;
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
  readonly execution: { readonly requested: string; readonly device: string };
  readonly model: { readonly id: string; readonly weightFormat: string };
}

const parse = (text: string): JsonAnswer => JSON.parse(text) as JsonAnswer;

describe('aipc run', () => {
  it('converts a folder of weights once and answers in one JSON object', async () => {
    const args = ['run', tinyModel, 'Hello', '--max-new-tokens', '5', '--json'];
    const first = await aipc(args);
    expect([first.exitCode, first.stderr.replace(/^convert .*\n/u, '')]).toEqual([0, '']);
    const answer = parse(first.stdout);
    expect(answer).toMatchObject({
      schemaVersion: 1,
      usage: { outputTokens: answer.tokenIds.length },
      execution: { requested: 'auto', device: 'cpu' },
      model: { id: tinyModel, weightFormat: 'int4' },
    });
    expect(answer.tokenIds.length).toBeGreaterThan(0);
    const conversions = await readdir(path.join(folder, 'cache', 'conversions'));
    expect(conversions).toHaveLength(1);
    const second = parse((await aipc(args)).stdout);
    expect(second.tokenIds).toEqual(answer.tokenIds);
    expect(await readdir(path.join(folder, 'cache', 'conversions'))).toEqual(conversions);
  });

  it('streams text, and the parts as JSON lines', async () => {
    const args = ['run', tinyModel, '--raw', 'Hello', '--max-new-tokens', '5'];
    const text = await aipc(args);
    const lines = (await aipc([...args, '--jsonl'])).stdout.trim().split('\n');
    const parts = lines.map((line) => JSON.parse(line) as { type: string; text: string });
    expect(parts.at(0)?.type).toBe('start');
    expect(parts.at(-1)).toMatchObject({ type: 'finish', schemaVersion: 1, text: text.stdout.replace(/\n$/u, '') });
    const deltas = parts.filter((part) => part.type === 'text-delta').map((part) => part.text);
    expect(`${deltas.join('')}\n`).toBe(text.stdout);
  });

  it('reads the prompt from a file or standard input and gives the same answer', async () => {
    const file = path.join(folder, 'Frage שאלה 🙂.txt');
    await writeFile(file, 'Hello');
    const flags = ['--max-new-tokens', '4', '--json'];
    const ids = async (args: readonly string[], stdin?: string): Promise<readonly number[]> =>
      parse((await aipc(['run', tinyModel, ...args, ...flags], stdin === undefined ? {} : { stdin })).stdout).tokenIds;
    const expected = await ids(['Hello']);
    expect(await ids(['--prompt-file', file])).toEqual(expected);
    expect(await ids([], 'Hello\n')).toEqual(expected);
  });

  it('lets --no-do-sample win over sampling options, and says so', async () => {
    const base = ['run', tinyModel, 'Hello', '--max-new-tokens', '5', '--json'];
    const greedy = parse((await aipc(base)).stdout);
    const cookbook = await aipc([...base, '--temperature', '0.3', '--no-do-sample']);
    expect(parse(cookbook.stdout).tokenIds).toEqual(greedy.tokenIds);
    expect(cookbook.stderr).toContain('--temperature ignored');
  });

  it('repeats a sampled answer from its seed', async () => {
    const args = ['run', tinyModel, 'Hello', '--max-new-tokens', '8', '--json', '--temperature', '2', '--seed', '7'];
    expect(parse((await aipc(args)).stdout).tokenIds).toEqual(parse((await aipc(args)).stdout).tokenIds);
  });

  it('prints the prompt too with --echo, and statistics on stderr with --stats', async () => {
    const { stdout, stderr } = await aipc([
      'run',
      tinyModel,
      '--raw',
      'Hello',
      '--echo',
      '--stats',
      '--max-new-tokens',
      '2',
    ]);
    expect(stdout).toMatch(/^Hello/u);
    expect(stderr).toMatch(/ran on +cpu: .*ONNX Runtime/u);
  });

  it('compares with a reference and fails where the answer parts from it', async () => {
    const args = ['run', tinyModel, 'Hello', '--max-new-tokens', '4'];
    const { tokenIds } = parse((await aipc([...args, '--json'])).stdout);
    const file = path.join(folder, 'reference.json');
    await writeFile(file, JSON.stringify({ madeBy: 'itself', outputTokenIds: tokenIds }));
    const same = await aipc([...args, '--check-reference', file]);
    expect([same.exitCode, same.stderr]).toEqual([
      0,
      `${tokenIds.length} of ${tokenIds.length} tokens equal to itself\n`,
    ]);
    await writeFile(file, JSON.stringify({ madeBy: 'another', outputTokenIds: [...tokenIds.slice(1), 0] }));
    const other = await aipc([...args, '--check-reference', file]);
    expect(other.exitCode).toBe(1);
    expect(other.stderr).toMatch(/^aipc: the answer parts from the reference/mu);
    await writeFile(file, 'no reference');
    for (const name of [file, path.join(folder, 'nowhere.json')]) {
      const none = await aipc([...args, '--check-reference', name]);
      expect([none.exitCode, none.stdout]).toEqual([2, '']); // before the model is asked
    }
  });
});

describe('wrong usage ends with 2 and says what is right', () => {
  it.each([
    ['no model', ['run'], /phi-3-mini-4k .*demo /su],
    [
      'an unknown option',
      ['run', tinyModel, 'Hi', '--temprature', '1'],
      /unknown option '--temprature'.*--temperature/su,
    ],
    ['a number that is none', ['run', tinyModel, 'Hi', '--top-k', 'many'], /expected an integer/u],
    ['a number out of range', ['run', tinyModel, 'Hi', '--top-p', '2'], /topP/u],
    ['two ways of output', ['run', tinyModel, 'Hi', '--json', '--jsonl'], /cannot be used with/u],
    ['a raw prompt with a system message', ['run', tinyModel, 'Hi', '--raw', '--system', 'x'], /exclude each other/u],
    ['an empty prompt', ['run', tinyModel, ' '], /empty/u],
    ['a prompt longer than the context', ['run', tinyModel, 'x'.repeat(100_000)], /context/u],
    ['an unknown command', ['rum', 'demo'], /unknown command 'rum'/u],
    [
      'a wrong block size',
      ['export', 'onnx', '--model', tinyModel, '--block-size', '48', 'out'],
      /16, 32, 64, 128, 256/u,
    ],
  ])('%s', async (_name, args, message) => {
    const { exitCode, stderr, stdout } = await aipc(args);
    expect(stderr).toMatch(message);
    expect([exitCode, stdout]).toEqual([2, '']);
  });

  it('gives help with 0', async () => {
    const { exitCode, stdout } = await aipc(['run', '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('--max-new-tokens');
  });
});

describe('failures end with 1 and a typed message', () => {
  it.each([
    ['an unknown model', ['run', 'phi-99', 'Hi'], /MODEL_NOT_FOUND/u],
    ['a provider that this version lacks', ['run', tinyModel, 'Hi', '--provider', 'dml'], /DEVICE_NOT_FOUND/u],
  ])('%s', async (_name, args, message) => {
    const { exitCode, stderr } = await aipc(args);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
  });
});

describe('aipc export onnx', () => {
  it('writes a folder that aipc runs with the same answer', async () => {
    const out = path.join(folder, 'exported');
    const made = await aipc(['export', 'onnx', '--model', tinyModel, '--weight-format', 'int4', out, '--json']);
    expect(made.exitCode).toBe(0);
    expect(JSON.parse(made.stdout)).toMatchObject({ folder: out });
    const flags = ['Hello', '--max-new-tokens', '4', '--json'];
    const direct = parse((await aipc(['run', tinyModel, ...flags])).stdout);
    const exported = parse((await aipc(['run', out, ...flags])).stdout);
    expect(exported.tokenIds).toEqual(direct.tokenIds);
  });

  it('does not touch a folder that holds something', async () => {
    const out = path.join(folder, 'precious');
    await rm(out, { recursive: true, force: true });
    await (await import('node:fs/promises')).mkdir(out);
    await writeFile(path.join(out, 'thesis.txt'), 'five years of work');
    const { exitCode, stderr } = await aipc(['export', 'onnx', '--model', tinyModel, out]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('OPTION_INVALID')]);
    expect(await readFile(path.join(out, 'thesis.txt'), 'utf8')).toBe('five years of work');
    expect(await readdir(out)).toEqual(['thesis.txt']);
  });
});

describe('aipc export openvino', () => {
  it("takes the cookbook's flags, says which of them is never needed, and makes what Python makes", async () => {
    const out = path.join(folder, 'openvinomodel', 'phi3', 'int4');
    const flags = ['--weight-format', 'int4', '--group-size', '32', '--ratio', '0.6', '--sym', '--trust-remote-code'];
    const { exitCode, stdout, stderr } = await aipc([
      ...['export', 'openvino', '--model', tinyModel, '--task', 'text-generation-with-past'],
      ...flags,
      out,
    ]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('--trust-remote-code is never needed');
    expect(stdout).toMatch(/% int4, \d+ % int8/u);
    expect((await readdir(out)).sort()).toEqual([
      'aipc.json',
      'config.json',
      'generation_config.json',
      'openvino_config.json',
      'openvino_model.bin',
      'openvino_model.xml',
      'openvino_model_logits_rows.xml',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
  });

  it('makes config.json and generation_config.json for a .gguf file', async () => {
    const out = path.join(folder, 'openvino-gguf');
    const gguf = path.join(repository, 'test', 'golden', 'models', 'llama-tiny.f16.gguf');
    const { exitCode, stdout } = await aipc([
      'export',
      'openvino',
      '-m',
      gguf,
      '--weight-format',
      'fp16',
      out,
      '--json',
    ]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ folder: out, recipe: { weightFormat: 'fp16' }, shares: { float: 1 } });
    expect(JSON.parse(await readFile(path.join(out, 'config.json'), 'utf8'))).toMatchObject({
      model_type: 'llama',
      num_key_value_heads: 2,
      rope_theta: 100_000,
      tie_word_embeddings: true,
    });
    expect(JSON.parse(await readFile(path.join(out, 'generation_config.json'), 'utf8'))).toMatchObject({
      eos_token_id: [2, 6],
    });
  });

  it('says what it ignores, and whose configuration it applies', async () => {
    const fp16 = ['export', 'openvino', '--model', tinyModel, '--weight-format', 'fp16', '--ratio', '0.6'];
    const ignored = await aipc([...fp16, path.join(folder, 'openvino-fp16')]);
    expect([ignored.exitCode, ignored.stderr]).toEqual([0, expect.stringContaining('--ratio means nothing for fp16')]);
    const known = path.join(folder, 'Phi-3-mini-4k-instruct');
    await cp(path.join(repository, 'test', 'golden', 'models', 'phi3-gqa'), known, { recursive: true });
    const out = path.join(folder, 'openvino-known');
    const { stdout, stderr } = await aipc([
      'export',
      'openvino',
      '--model',
      known,
      '--weight-format',
      'int4',
      out,
      '--json',
    ]);
    expect(stderr).toMatch(/groupSize 64.*scale estimation.*rounds to nearest/su);
    expect(JSON.parse(stdout)).toMatchObject({ recipe: { symmetric: false, groupSize: 64, ratio: 1 } });
  });

  it.each([
    [['--sym'], /--sym without --weight-format/u],
    [['--weight-format', 'int4', '--awq'], /--awq is optimum-cli's.*Leave it out/su],
    [['--weight-format', 'int4', '--dataset', 'wikitext2'], /--dataset is optimum-cli's/u],
    [['--task', 'text-generation'], /KV cache alone/u],
    [['--weight-format', 'nf4'], /nf4/u],
    [['--weight-format', 'int4', '--group-size', '64'], /down_proj.* \(channel size 96\)/su],
    [['--weight-format', 'int4', '--group-size', '32', '--ratio', '2'], /ratio/u],
  ])('refuses %j with exit code 2 and leaves nothing', async (flags, message) => {
    const out = path.join(folder, 'openvino-refused');
    const { exitCode, stderr } = await aipc(['export', 'openvino', '--model', tinyModel, ...flags, out]);
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(existsSync(out)).toBe(false);
  });
});

// On Windows, kill('SIGINT') ends a process without telling it.
describe.skipIf(process.platform === 'win32')('Ctrl-C [needs POSIX signals]', () => {
  it('ends an answer with 130 and what was said so far', async () => {
    const args = ['run', 'demo', 'Can you introduce yourself?', '--raw', '--json', '--max-new-tokens', '4000'];
    const { exitCode, stdout } = await aipc(args, { interruptOn: /rehearsed/u });
    expect(exitCode).toBe(130);
    if (stdout !== '') expect(parse(stdout).finishReason).toBe('aborted');
  });

  it('goes on where nobody reads what it says besides', async () => {
    const main = fileURLToPath(new URL('./main.js', import.meta.url));
    const args = ['run', tinyModel, 'Hi', '--weight-format', 'fp32', '--max-new-tokens', '3', '--stats', '--json'];
    const child = spawn(process.execPath, [main, ...args], {
      env: { ...process.env, AIPC_CACHE: path.join(folder, 'cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.destroy();
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(parse(Buffer.concat(chunks).toString()).usage.outputTokens).toBe(3);
  });

  it('ends a conversion and leaves nothing', async () => {
    const cache = path.join(folder, 'interrupted');
    const conversions = path.join(cache, 'conversions');
    const begun = async (): Promise<void> => {
      while (!existsSync(conversions) || (await readdir(conversions)).length === 0) await sleep(2);
    };
    const { exitCode } = await aipc(['run', 'demo', 'Hi'], {
      environment: { AIPC_CACHE: cache },
      kill: { when: begun(), signal: 'SIGINT' },
    });
    expect(exitCode).toBe(130);
    expect(await readdir(conversions)).toEqual([]);
  });
});

describeWithOpenvino('aipc on OpenVINO', () => {
  const environment = openvinoEnvironment();
  const exported = (): string => path.join(folder, 'openvino');

  it("exports with the cookbook's line and says which devices the result suits", async () => {
    const line = '--task text-generation-with-past --weight-format int4 --group-size 128 --ratio 0.6 --sym';
    const args = ['export', 'openvino', '--model', 'demo', ...line.split(' '), '--trust-remote-code', exported()];
    const { exitCode, stdout, stderr } = await aipc(args, { environment });
    expect(stderr).toContain('never needed');
    expect(stdout).toMatch(/NPU: no, needs --ratio 1\.0/u);
    expect(exitCode).toBe(0);
  });

  it("runs the folder with the cookbook's properties, and says what ran", async () => {
    const config = '{"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "CACHE_DIR": ""}';
    const args = ['run', exported(), 'Can you introduce yourself?', '--device', 'CPU', '--ov-config', config, '--json'];
    const { exitCode, stdout } = await aipc(args, { environment });
    expect(exitCode).toBe(0);
    const answer = JSON.parse(stdout) as { text: string };
    expect(answer).toMatchObject({
      execution: {
        requested: 'cpu',
        device: 'cpu',
        provider: 'openvino',
        activationDtype: expect.stringMatching(/^(f32|bf16)$/u) as string, // bf16 where the CPU has it
      },
      model: { weightFormat: 'int4' },
    });
    expect(answer.text).toContain('built-in test model');
  });

  it('shows what the folder is and which devices it suits', async () => {
    const { exitCode, stdout } = await aipc(['show', exported(), '--json'], { environment });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'openvino',
      devices: [
        { device: 'cpu', suits: true },
        { device: 'gpu', suits: true },
        { device: 'npu', suits: false, needs: ['--ratio 1.0'] },
      ],
    });
  });

  it('labels the emulated NPU in what it prints', async () => {
    const args = ['run', 'demo', 'Can you introduce yourself?', '--device', 'npu', '--max-prompt-tokens', '256'];
    const flags = ['--ov-config', 'NPUW_DEVICES=CPU', '--max-new-tokens', '12', '--stats'];
    const { exitCode, stdout, stderr } = await aipc([...args, ...flags], { environment });
    expect(stderr).toMatch(/emulation: .*npu/u);
    expect(stderr).toContain('ran on   npu emulated on cpu');
    expect(stdout).toContain('I am the small');
    expect(exitCode).toBe(0);
  });

  it.each<[string, readonly string[], number, RegExp]>([
    ['a device that is not there', ['--device', 'gpu.9'], 1, /DEVICE_NOT_FOUND/u],
    ['a property that does not exist', ['--provider', 'openvino', '--ov-config', 'NUM_STREAM=1'], 2, /NUM_STREAMS/u],
    ['weights that the NPU cannot run', ['--device', 'npu', '--ov-config', 'NPUW_DEVICES=CPU'], 1, /--ratio 1\.0/u],
  ])('refuses %s', async (_name, flags, expected, message) => {
    const { exitCode, stdout, stderr } = await aipc(['run', exported(), 'Hi', ...flags], { environment });
    expect([stdout, exitCode]).toEqual(['', expected]);
    expect(stderr).toMatch(message);
  });
});
