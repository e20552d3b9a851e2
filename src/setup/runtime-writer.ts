/** Writes the files of a runtime into its folder, with their checksums. It does not know where they come from. */
import { createHash } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import path from 'node:path';
import type { RuntimeFolder } from '../engine/openvino/runtime-folder.js';
import { ModelFormatError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { loaderName, wantedFile } from './runtime-files.js';

export interface InstalledFile {
  /** Below the runtime's folder, with forward slashes. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

interface WrittenFile {
  /** In the source. */
  readonly archivePath: string;
  readonly folder: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export class RuntimeWriter {
  readonly #source: string;
  readonly #folder: RuntimeFolder;
  readonly #platform: NodeJS.Platform;
  readonly #written: WrittenFile[] = [];
  /** Other names of files: full path -> full path, in the source. */
  readonly #links = new Map<string, string>();

  /** `source` is named in errors. */
  private constructor(source: string, folder: RuntimeFolder, platform: NodeJS.Platform) {
    this.#source = source;
    this.#folder = folder;
    this.#platform = platform;
  }

  static async create(source: string, folder: RuntimeFolder, platform: NodeJS.Platform): Promise<RuntimeWriter> {
    await mkdir(folder.libraryFolder, { recursive: true });
    await mkdir(folder.licenseFolder, { recursive: true });
    return new RuntimeWriter(source, folder, platform);
  }

  wants(archivePath: string): boolean {
    return wantedFile(archivePath, this.#platform) !== null;
  }

  /** Throws FILE_MALFORMED where two files of the source would have one name. */
  async add(archivePath: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const wanted = wantedFile(archivePath, this.#platform);
    if (wanted === null) return;
    const folder = wanted.kind === 'library' ? this.#folder.libraryFolder : this.#folder.licenseFolder;
    const file = await open(path.join(folder, wanted.name), 'wx').catch((error: unknown) => {
      if (!hasErrorCode(error, 'EEXIST')) throw error;
      throw this.#malformed(`holds ${wanted.name} twice`);
    });
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      for await (const chunk of content) {
        await file.writeFile(chunk);
        hash.update(chunk);
        sizeBytes += chunk.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    this.#written.push({ archivePath, folder, name: wanted.name, sizeBytes, sha256: hash.digest('hex') });
  }

  /** Another name of a file in the source, which may come later. `target`: from the source's root. */
  link(archivePath: string, target: string): void {
    if (this.wants(archivePath)) this.#links.set(archivePath, target);
  }

  /** SHA-256 of what was added, in hex, by its path in the source. */
  checksums(): ReadonlyMap<string, string> {
    return new Map(this.#written.map(({ archivePath, sha256 }) => [archivePath, sha256]));
  }

  /** Gives every library the name that the loader asks for; what was written, in order of names. */
  async finish(): Promise<readonly InstalledFile[]> {
    const names = new Map<string, [string, ...string[]]>(
      this.#written.map(({ archivePath, name }) => [archivePath, [name]]),
    );
    for (const link of this.#links.keys()) names.get(this.#resolve(link))?.push(path.posix.basename(link));
    const installed: InstalledFile[] = [];
    for (const { archivePath, folder, name, sizeBytes, sha256 } of this.#written) {
      const finalName = loaderName(names.get(archivePath) ?? [name]);
      if (finalName !== name) await rename(path.join(folder, name), path.join(folder, finalName));
      installed.push({ name: `${path.basename(folder)}/${finalName}`, sizeBytes, sha256 });
    }
    if (new Set(installed.map(({ name }) => name)).size < installed.length) {
      throw this.#malformed('gives one name to two libraries');
    }
    return installed.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Where a chain of links ends. A circle ends somewhere in it, where no file is. */
  #resolve(link: string): string {
    let target = link;
    for (let hops = 0; hops <= this.#links.size; hops++) {
      const next = this.#links.get(target);
      if (next === undefined) break;
      target = next;
    }
    return target;
  }

  #malformed(problem: string): ModelFormatError {
    return new ModelFormatError(
      'FILE_MALFORMED',
      `${this.#source} ${problem}: it is no OpenVINO runtime as Intel builds it.`,
      {
        details: { file: this.#source },
      },
    );
  }
}
