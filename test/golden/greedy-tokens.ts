/**
 * Programs in other languages ask aipc: greedy tokens of an IR folder on OpenVINO, computed in f32 throughout. Reads
 * { folder, prompts: [[id]], count } as JSON on stdin and writes { answers: [[id]] } on stdout; end-of-text tokens do not
 * end an answer.
 */
import { text } from 'node:stream/consumers';
import { ModelRunner } from './model-runner.js';

const request = JSON.parse(await text(process.stdin)) as {
  readonly folder: string;
  readonly prompts: readonly (readonly number[])[];
  readonly count: number;
};
await using runner = await ModelRunner.openExactOpenvino(request.folder);
const answers = [];
for (const prompt of request.prompts) answers.push(await runner.greedy(prompt, request.count));
process.stdout.write(JSON.stringify({ answers }));
