/**
 * Where the constants of a model are in its .bin file. Several graphs may share one layout, and with it the file.
 * It holds no weights, only small constants.
 */

/** OpenVINO maps the file; 64 bytes are a cache line and the widest vector. */
const ALIGNMENT_BYTES = 64;

export class DataLayout {
  readonly #small = new Map<string, number>();
  readonly #reserved = new Map<string, number>();
  readonly #smallBytes: { readonly offsetBytes: number; readonly bytes: Uint8Array }[] = [];
  #totalBytes = 0;

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** To be written into the file, besides what is done for reserved room. */
  get smallConstants(): readonly { readonly offsetBytes: number; readonly bytes: Uint8Array }[] {
    return this.#smallBytes;
  }

  /** Offset of these bytes; equal ones share it. */
  place(bytes: Uint8Array): number {
    const key = Buffer.from(bytes).toString('latin1');
    const known = this.#small.get(key);
    if (known !== undefined) return known;
    const offsetBytes = this.#claim(bytes.length);
    this.#small.set(key, offsetBytes);
    this.#smallBytes.push({ offsetBytes, bytes });
    return offsetBytes;
  }

  /** Room under a name; `isNew` the first time. */
  reserve(name: string, sizeBytes: number): { readonly offsetBytes: number; readonly isNew: boolean } {
    const known = this.#reserved.get(name);
    if (known !== undefined) return { offsetBytes: known, isNew: false };
    const offsetBytes = this.#claim(sizeBytes);
    this.#reserved.set(name, offsetBytes);
    return { offsetBytes, isNew: true };
  }

  #claim(sizeBytes: number): number {
    const offsetBytes = Math.ceil(this.#totalBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    this.#totalBytes = offsetBytes + sizeBytes;
    return offsetBytes;
  }
}
