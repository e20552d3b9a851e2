/**
 * Reading the small files of /proc and /sys under a root that tests can choose. Files come and go with devices and
 * processes: one that is not there, or that this user may not read, is undefined. Reads are synchronous: these files are
 * made in memory, and a trip to a thread would cost more than the read.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';
import { hasErrorCode } from '../../file-system.js';

/** ENODEV, EBUSY, EINVAL...: drivers answer so for devices that sleep or have no such figure. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ESRCH', 'ENODEV', 'EBUSY', 'EINVAL', 'EOPNOTSUPP', 'EIO'];

export class SystemFiles {
  constructor(
    readonly root = '/',
    /** As uname gives it: `6.8.0-45-generic`. */
    readonly kernelRelease = release(),
  ) {}

  text(file: string): string | undefined {
    return this.#unlessAbsent(() => readFileSync(path.join(this.root, file), 'utf8'));
  }

  /** The whole number that the file holds. */
  number(file: string): number | undefined {
    const text = this.text(file)?.trim();
    return text !== undefined && /^\d{1,16}$/u.test(text) ? Number(text) : undefined;
  }

  list(folder: string): readonly string[] {
    return this.#unlessAbsent(() => readdirSync(path.join(this.root, folder))) ?? [];
  }

  /** Where a link leads, as it is written. */
  link(file: string): string | undefined {
    return this.#unlessAbsent(() => readlinkSync(path.join(this.root, file)));
  }

  kernelIsAtLeast(major: number, minor: number): boolean {
    const [, foundMajor = 0, foundMinor = 0] = (/^(\d+)\.(\d+)/u.exec(this.kernelRelease) ?? []).map(Number);
    return foundMajor > major || (foundMajor === major && foundMinor >= minor);
  }

  /** Why a file that newer kernels have is not there. */
  whyAbsent(major: number, minor: number, driver: string): string {
    return this.kernelIsAtLeast(major, minor)
      ? `the driver ${driver} does not report it here`
      : `needs kernel ${major}.${minor}, this is ${this.kernelRelease}`;
  }

  #unlessAbsent<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (hasErrorCode(error, ...ABSENT)) return undefined;
      throw error;
    }
  }
}
