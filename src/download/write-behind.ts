/**
 * Writes to a file while the next bytes are still on their way: one write at a time, of all that came meanwhile. It knows
 * no format and checks nothing.
 */
import type { FileHandle } from 'node:fs/promises';

/**
 * What may wait for the disk. Large enough that writes are few where the network is fast; a killed process loses no more
 * than this, and where the network is slow nothing waits at all.
 */
export const MAX_WAITING_BYTES = 2 ** 20;

export class WriteBehind {
  readonly #handle: FileHandle;
  #position: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Resolves when nothing is waiting; rejects with the first failure, after which nothing more is written. */
  #running: Promise<void> | null = null;

  /** `position`: where the first byte goes. The handle stays the caller's. */
  constructor(handle: FileHandle, position: number) {
    this.#handle = handle;
    this.#position = position;
  }

  /** The bytes are this object's from here on. Waits while the disk is behind; throws the failure of an earlier write. */
  async append(bytes: Buffer): Promise<void> {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#running === null) {
      this.#running = this.#drain();
      this.#running.catch(() => undefined); // whoever comes next hears of it
    }
    if (this.#waitingBytes >= MAX_WAITING_BYTES) await this.#running;
  }

  /** All bytes are the system's. */
  async flush(): Promise<void> {
    await this.#running;
  }

  /** Nothing is written any more, whether it went well or not. */
  async settle(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const buffers = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      await this.#write(buffers);
    }
    this.#running = null;
  }

  async #write(buffers: Buffer[]): Promise<void> {
    let rest = buffers;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest, this.#position);
      this.#position += bytesWritten;
      rest = dropBytes(rest, bytesWritten);
    }
  }
}

/** Buffers without their first `count` bytes: a system may take less than it is given. */
function dropBytes(buffers: readonly Buffer[], count: number): Buffer[] {
  let drop = count;
  return buffers.flatMap((buffer) => {
    const dropped = Math.min(drop, buffer.length);
    drop -= dropped;
    return dropped === buffer.length ? [] : [buffer.subarray(dropped)];
  });
}
