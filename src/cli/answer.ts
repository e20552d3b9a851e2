/** One answer on stdout: as text while it comes, or as JSON. */
import { LoadMeter } from '../load/load-meter.js';
import type { GenerateOptions, GenerateResult, GenerationInput, StreamPart } from '../model/result.js';
import type { Model } from '../model/model.js';
import { compareWithReference, type Reference } from './reference.js';
import { formatStats } from './stats.js';

export type OutputMode = 'text' | 'json' | 'jsonl';

export interface AnswerSettings {
  readonly mode: OutputMode;
  /** Print the rendered prompt first. */
  readonly echo: boolean;
  readonly stats: boolean;
  /** Token ids to compare the answer's with. */
  readonly reference: Reference | undefined;
}

/** Bumped when a field of --json changes its meaning. */
const JSON_SCHEMA_VERSION = 1;

export async function answerOnce(
  model: Model,
  input: GenerationInput,
  options: GenerateOptions,
  settings: AnswerSettings,
): Promise<void> {
  if (settings.echo) {
    const ids = await model.encodeInput(input);
    process.stdout.write(model.tokenizer.decode(ids, { skipSpecialTokens: false }));
  }
  using meter = settings.stats ? new LoadMeter() : null;
  const run = model.stream(input, options);
  for await (const part of run.fullStream) print(part, settings.mode);
  const result = await run.result;
  const load = await meter?.stop();
  if (settings.mode === 'json') process.stdout.write(`${JSON.stringify(asJson(result))}\n`);
  if (settings.mode === 'text') process.stdout.write('\n');
  if (load !== undefined) process.stderr.write(formatStats(result, load));
  if (settings.reference !== undefined) {
    process.stderr.write(`${compareWithReference(result.tokenIds, settings.reference)}\n`);
  }
}

function print(part: StreamPart, mode: OutputMode): void {
  if (mode === 'text' && part.type === 'text-delta') process.stdout.write(part.text);
  if (mode === 'jsonl') {
    const line = part.type === 'finish' ? { type: part.type, ...asJson(part) } : part;
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

/** The documented object of --json: a result under a schema version. */
function asJson(result: GenerateResult): GenerateResult & { schemaVersion: number } {
  return { schemaVersion: JSON_SCHEMA_VERSION, ...result };
}
