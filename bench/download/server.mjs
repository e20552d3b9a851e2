/**
 * Serves a file of SIZE bytes on loopback, in a process of its own, as fast as it can: one buffer again and again, so that
 * no disk is read. Prints the address and the SHA-256 as JSON, then serves until its stdin ends. Takes SIZE.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const BLOCK_BYTES = 2 ** 20;

const sizeBytes = Number(process.argv[2]);
const block = Buffer.alloc(
  BLOCK_BYTES,
  Uint8Array.from({ length: 251 }, (_, index) => index),
);

function* blocks() {
  for (let sent = 0; sent < sizeBytes; sent += BLOCK_BYTES) {
    yield sizeBytes - sent < BLOCK_BYTES ? block.subarray(0, sizeBytes - sent) : block;
  }
}

const hash = createHash('sha256');
for (const part of blocks()) hash.update(part);
const sha256 = hash.digest('hex');

const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-length': sizeBytes, etag: `"${sha256}"` });
  const parts = blocks();
  const send = () => {
    for (;;) {
      const { value, done } = parts.next();
      if (done) {
        response.end();
        return;
      }
      if (!response.write(value)) {
        response.once('drain', send);
        return;
      }
    }
  };
  send();
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/file`, sha256 }));
});
process.stdin.on('end', () => process.exit()).resume();
