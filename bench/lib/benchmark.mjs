/** The frame of a benchmark program: a clean end where a peer or an argument is missing, JSON as the last line. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as prettier from 'prettier';
import { PeerMissingError } from './peers.mjs';

/** Runs `main`, which returns the result to print. What is missing is told in one line, with exit code 2. */
export async function runBenchmark(main) {
  try {
    console.log(JSON.stringify(await main()));
  } catch (error) {
    if (!(error instanceof PeerMissingError || error instanceof RangeError || error instanceof TypeError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}

/** Progress goes to stderr: stdout's last line is the result. */
export function say(line) {
  console.error(line);
}

/** Writes a file as this repository keeps files of its kind. */
export async function writeFormatted(file, text) {
  const style = await prettier.resolveConfig(path.join('docs', 'benchmarks', path.basename(file)));
  await writeFile(file, await prettier.format(text, { ...style, filepath: file }));
}

/** Writes NAME.json and returns the path of NAME.svg beside it. */
export async function writeResult(folder, name, result) {
  await mkdir(folder, { recursive: true });
  await writeFormatted(path.join(folder, `${name}.json`), JSON.stringify(result, null, 2));
  return path.join(folder, `${name}.svg`);
}
