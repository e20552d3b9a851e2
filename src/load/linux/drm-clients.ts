/**
 * Finds the programs that have a GPU or an NPU open, among those that this user may look at. Looking through all open
 * files of all processes is dear: it is done every few seconds, and at once for processes that are new.
 */
import { parseFdinfo, type DrmClient } from './drm-fdinfo.js';
import type { SystemFiles } from './system-files.js';

const SEARCH_EVERY_MS = 10_000;
const DEVICE_FILE = /^\/dev\/(?:dri|accel)\//u;

export class DrmClients {
  readonly #files: SystemFiles;
  /** Of each process, its descriptors of a GPU; none: it was looked through. */
  #descriptors = new Map<string, readonly string[]>();
  #searchedMs = -Infinity;

  constructor(files: SystemFiles) {
    this.#files = files;
  }

  /** By device and client: each once, however many descriptors it has. */
  read(nowMs: number): ReadonlyMap<string, DrmClient> {
    this.#search(nowMs);
    const clients = new Map<string, DrmClient>();
    for (const [process, descriptors] of this.#descriptors) {
      for (const descriptor of descriptors) {
        const text = this.#files.text(`proc/${process}/fdinfo/${descriptor}`);
        const client = text === undefined ? undefined : parseFdinfo(text);
        if (client !== undefined) clients.set(`${client.pciAddress ?? ''} ${client.clientId}`, client);
      }
    }
    return clients;
  }

  #search(nowMs: number): void {
    const processes = this.#files.list('proc').filter((name) => /^\d+$/u.test(name));
    const all = nowMs - this.#searchedMs >= SEARCH_EVERY_MS;
    if (all) this.#searchedMs = nowMs;
    this.#descriptors = new Map(
      processes.map((process) => [
        process,
        (all ? undefined : this.#descriptors.get(process)) ?? this.#deviceDescriptors(process),
      ]),
    );
  }

  #deviceDescriptors(process: string): readonly string[] {
    return this.#files
      .list(`proc/${process}/fd`)
      .filter((descriptor) => DEVICE_FILE.test(this.#files.link(`proc/${process}/fd/${descriptor}`) ?? ''));
  }
}
