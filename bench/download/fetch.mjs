/**
 * One download in a process of its own. Takes as JSON { tool, url, sha256, sizeBytes, file }; prints the time in ms as
 * JSON. Tools: aipc's downloadFile, and the same work as one would write it down without it (bare): fetch, SHA-256, write.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

const { tool, url, sha256, sizeBytes, file } = JSON.parse(process.argv[2]);

/** No resume, no lock, no retries, nothing checked before the file has its name; sync: it is on the disk at the end. */
async function bare({ sync }) {
  const response = await globalThis.fetch(url);
  const handle = await open(file, 'w');
  const hash = createHash('sha256');
  for await (const chunk of response.body) {
    hash.update(chunk);
    await handle.write(chunk);
  }
  if (sync) await handle.sync();
  await handle.close();
  if (hash.digest('hex') !== sha256) throw new Error('The file is damaged.');
}

async function aipc() {
  const { downloadFile } = await import('../../dist/src/download/download-file.js');
  const start = performance.now();
  await downloadFile({ url, file, sha256, sizeBytes, maxBytes: sizeBytes });
  return performance.now() - start;
}

async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const TOOLS = {
  aipc,
  bare: () => timed(() => bare({ sync: false })),
  'bare-sync': () => timed(() => bare({ sync: true })),
};
console.log(JSON.stringify({ ms: await TOOLS[tool]() }));
