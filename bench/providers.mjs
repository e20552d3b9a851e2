/**
 * Prefill and decode of ONNX folders on providers of ONNX Runtime, side by side: each round opens every combination once
 * in a process of its own, in turns forwards and backwards; medians of the rounds. Logits are read back for each token,
 * the greedy token of each is decoded next.
 *
 *   node bench/providers.mjs PROVIDER=FOLDER... [--prompt-tokens 512] [--new-tokens 128] [--rounds 3] [--json FILE]
 *
 * Folders are made by `aipc export onnx --target PROVIDER`. bench/phi3-shape.mjs writes weights to export.
 */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'prompt-tokens': { type: 'string', default: '512' },
    'new-tokens': { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    once: { type: 'boolean', default: false },
  },
});
const promptTokens = Number(values['prompt-tokens']);
const newTokens = Number(values['new-tokens']);

/** One process's measurement. */
async function measure(provider, folder) {
  const { createOnnxRuntimeEngine } = await import('../dist/src/engine/onnxruntime/onnxruntime-engine.js');
  const now = () => performance.now();
  const started = now();
  const contextTokens = Math.ceil((promptTokens + newTokens + 64) / 256) * 256;
  const engine = await createOnnxRuntimeEngine(folder, { provider, contextTokens, prefillChunkTokens: 512 });
  const loadMs = now() - started;
  const slot = await engine.openSlot({ capacityTokens: contextTokens });
  const prompt = Int32Array.from({ length: promptTokens }, (_, i) => (i * 37 + 11) % 32_000);
  const forward = async (tokens, finalLength) => {
    const [{ data }] = await engine.forward([{ slot, tokens, logits: 'last', finalLength }]);
    return data.indexOf(Math.max(...data));
  };
  await forward(prompt, promptTokens); // warms up: kernels are chosen and memory is taken at first use
  await forward(Int32Array.of(5), promptTokens + 1);
  slot.rewind(0);
  let begun = now();
  let token = await forward(prompt, promptTokens);
  const prefillMs = now() - begun;
  const before = engine.transfers;
  const tokenIds = [];
  begun = now();
  for (let i = 0; i < newTokens; i += 1) {
    tokenIds.push(token);
    token = await forward(Int32Array.of(token), promptTokens + i + 1);
  }
  const decodeMs = now() - begun;
  const after = engine.transfers;
  const perToken = (key) => (after === undefined ? null : (after[key] - before[key]) / newTokens);
  const { kvDtype, deviceName, runtimeVersion } = engine.info;
  await engine.dispose();
  return {
    ...{ provider, deviceName, runtimeVersion, kvDtype, loadMs },
    prefillTokensPerSecond: (promptTokens / prefillMs) * 1000,
    decodeTokensPerSecond: (newTokens / decodeMs) * 1000,
    toDeviceBytesPerToken: perToken('toDeviceBytes'),
    toHostBytesPerToken: perToken('toHostBytes'),
    firstTokenIds: tokenIds.slice(0, 16),
  };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

function inProcess(combination) {
  const sizes = ['--prompt-tokens', String(promptTokens), '--new-tokens', String(newTokens)];
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), combination, '--once', ...sizes], {
    encoding: 'utf8',
  });
  if (child.status !== 0) throw new Error(`${combination}: ${child.stderr}`);
  return JSON.parse(child.stdout);
}

if (values.once) {
  const [provider, folder] = positionals[0].split('=');
  process.stdout.write(JSON.stringify(await measure(provider, folder)));
} else {
  const runs = new Map(positionals.map((combination) => [combination, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const combination of round % 2 === 0 ? positionals : positionals.toReversed()) {
      const run = inProcess(combination);
      runs.get(combination).push(run);
      console.error(JSON.stringify(run));
    }
  }
  const results = [...runs.values()].map((all) => ({
    ...all[0],
    ...Object.fromEntries(
      ['loadMs', 'prefillTokensPerSecond', 'decodeTokensPerSecond'].map((key) => [
        key,
        median(all.map((run) => run[key])),
      ]),
    ),
    rounds: all.map(({ loadMs, prefillTokensPerSecond, decodeTokensPerSecond }) => ({
      ...{ loadMs, prefillTokensPerSecond, decodeTokensPerSecond },
    })),
  }));
  const report = { promptTokens, newTokens, cpu: cpus()[0].model, cores: cpus().length, results };
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (values.json !== undefined) await writeFile(values.json, text);
  process.stdout.write(text);
}
