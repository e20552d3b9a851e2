/**
 * Windows' performance counters through pdh.dll, by their English names on a Windows of any language
 * (PdhAddEnglishCounterW). One query for as long as the process runs; wildcards are expanded at each collection, so that
 * programs that start later are seen. x64 and arm64.
 */
import koffi from 'koffi';
import type { CounterValue } from './adapters.js';

/** pdh.h, pdhmsg.h */
const PDH_FMT_DOUBLE = 0x200;
const PDH_FMT_NOCAP100 = 0x8000;
const PDH_MORE_DATA = 0x8000_07d2;
const VALID = [0, 1]; // PDH_CSTATUS_VALID_DATA, PDH_CSTATUS_NEW_DATA

/** PDH_FMT_COUNTERVALUE_ITEM_W on 64 bits: LPWSTR szName; DWORD CStatus; 4 bytes of padding; double doubleValue. */
const ITEM = { bytes: 24, name: 0, status: 8, value: 16 } as const;

/** More instances than any machine has; what does not fit is not read. */
const MAX_BUFFER_BYTES = 16 * 2 ** 20;

/** Of a query or a counter; only pdh.dll looks into it. */
type Handle = object;

export class PdhQuery implements Disposable {
  readonly #pdh = loadPdh();
  readonly #query: Handle;

  /** Throws where pdh.dll is not what it should be. */
  constructor() {
    const out: [Handle | null] = [null];
    check('PdhOpenQueryW', this.#pdh.open(null, 0, out));
    if (out[0] === null) throw new Error('PdhOpenQueryW gave no query');
    this.#query = out[0];
  }

  /** E.g. `\GPU Engine(*)\Utilization Percentage`. Undefined: this Windows has no such counter. */
  add(path: string): Handle | undefined {
    const out: [Handle | null] = [null];
    return this.#pdh.addEnglish(this.#query, path, 0, out) === 0 ? (out[0] ?? undefined) : undefined;
  }

  /** Rates need two collections. */
  collect(): void {
    this.#pdh.collect(this.#query); // "no data" at first: the values then say so
  }

  values(counter: Handle | undefined): readonly CounterValue[] {
    if (counter === undefined) return [];
    const size: [number] = [0];
    const count: [number] = [0];
    const format = PDH_FMT_DOUBLE | PDH_FMT_NOCAP100;
    const asked = this.#pdh.array(counter, format, size, count, null);
    if (asked >>> 0 !== PDH_MORE_DATA || size[0] === 0 || size[0] > MAX_BUFFER_BYTES) return [];
    const buffer = Buffer.alloc(size[0]);
    return this.#pdh.array(counter, format, size, count, buffer) === 0
      ? readItems(buffer, koffi.address(buffer), count[0])
      : [];
  }

  [Symbol.dispose](): void {
    this.#pdh.close(this.#query);
  }
}

/** `address`: where the buffer lies, for the names are pointers into it. Items that point elsewhere are left out. */
export function readItems(buffer: Buffer, address: bigint, count: number): readonly CounterValue[] {
  const items: CounterValue[] = [];
  for (let index = 0; index < count && (index + 1) * ITEM.bytes <= buffer.length; index++) {
    const at = index * ITEM.bytes;
    const start = Number(buffer.readBigUInt64LE(at + ITEM.name) - address);
    if (!VALID.includes(buffer.readUInt32LE(at + ITEM.status)) || start < 0 || start >= buffer.length) continue;
    let end = start;
    while (end + 1 < buffer.length && buffer.readUInt16LE(end) !== 0) end += 2;
    items.push({ instance: buffer.toString('utf16le', start, end), value: buffer.readDoubleLE(at + ITEM.value) });
  }
  return items;
}

interface Pdh {
  open(source: null, user: number, query: [Handle | null]): number;
  addEnglish(query: Handle, path: string, user: number, counter: [Handle | null]): number;
  collect(query: Handle): number;
  array(counter: Handle, format: number, size: [number], count: [number], buffer: Buffer | null): number;
  close(query: Handle): number;
}

function loadPdh(): Pdh {
  const library = koffi.load('pdh.dll');
  const outHandle = koffi.out(koffi.pointer(koffi.pointer('void')));
  const inOutInteger = koffi.inout(koffi.pointer('uint32_t'));
  const pointer = koffi.pointer('void');
  return {
    open: library.func('PdhOpenQueryW', 'uint32_t', ['str16', 'uintptr_t', outHandle]),
    addEnglish: library.func('PdhAddEnglishCounterW', 'uint32_t', [pointer, 'str16', 'uintptr_t', outHandle]),
    collect: library.func('PdhCollectQueryData', 'uint32_t', [pointer]),
    array: library.func('PdhGetFormattedCounterArrayW', 'uint32_t', [
      ...[pointer, 'uint32_t', inOutInteger, inOutInteger, pointer],
    ]),
    close: library.func('PdhCloseQuery', 'uint32_t', [pointer]),
  };
}

function check(call: string, status: number): void {
  if (status !== 0) throw new Error(`${call} failed with 0x${(status >>> 0).toString(16)}`);
}
