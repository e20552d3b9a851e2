/** What is known of an installed runtime: the file aipc-runtime.json in its folder. It installs nothing. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  OPENVINO_VERSION,
  runtimeFolderAt,
  runtimesFolder,
  type RuntimeFolder,
} from '../engine/openvino/runtime-folder.js';
import { hasErrorCode } from '../file-system.js';
import type { InstalledFile } from './runtime-writer.js';

export interface RuntimeManifest {
  readonly schemaVersion: 1;
  readonly version: string;
  readonly buildNumber: string;
  readonly platform: string;
  readonly arch: string;
  /** Where it came from, in words: a URL, a wheel's name, a path. */
  readonly source: string;
  /** SHA-256 of the archive or wheel; null: a folder. */
  readonly sourceSha256: string | null;
  readonly files: readonly InstalledFile[];
}

export interface InstalledRuntime {
  readonly folder: string;
  readonly version: string;
  readonly buildNumber: string;
  readonly source: string;
  readonly sizeBytes: number;
  /** Whether aipc uses it by itself: the version that this aipc is made for. */
  readonly isCurrent: boolean;
}

export async function writeManifest({ manifestFile }: RuntimeFolder, manifest: RuntimeManifest): Promise<void> {
  await writeFile(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
}

/** undefined: no runtime, or one of which files are missing or have another length. */
export async function readIntact(folder: RuntimeFolder): Promise<RuntimeManifest | undefined> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) return undefined;
  for (const { name, sizeBytes } of manifest.files) {
    const found = await stat(path.join(folder.path, name)).catch(() => undefined);
    if (found?.size !== sizeBytes) return undefined;
  }
  return manifest;
}

/** Every OpenVINO in aipc's cache, of any version, the current one first. */
export async function listRuntimes(environment: NodeJS.ProcessEnv): Promise<readonly InstalledRuntime[]> {
  const root = runtimesFolder(environment);
  const names = await readdir(root).catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT')) return [];
    throw error;
  });
  const found: InstalledRuntime[] = [];
  for (const name of names.filter((candidate) => candidate.startsWith('openvino-')).sort()) {
    const folder = path.join(root, name);
    const manifest = await readManifest(runtimeFolderAt(folder));
    if (manifest === undefined) continue;
    const { version, buildNumber, source, platform, arch, files } = manifest;
    found.push({
      folder,
      version,
      buildNumber,
      source,
      sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      isCurrent: version === OPENVINO_VERSION && platform === process.platform && arch === process.arch,
    });
  }
  return found.sort((a, b) => Number(b.isCurrent) - Number(a.isCurrent));
}

async function readManifest({ manifestFile }: RuntimeFolder): Promise<RuntimeManifest | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(manifestFile, 'utf8'));
    return isManifest(value) ? value : undefined;
  } catch {
    return undefined; // missing, or no manifest of ours: as if nothing were installed
  }
}

function isManifest(value: unknown): value is RuntimeManifest {
  if (typeof value !== 'object' || value === null) return false;
  const { schemaVersion, files, ...rest } = value as Partial<Record<keyof RuntimeManifest, unknown>>;
  return (
    schemaVersion === 1 &&
    [rest.version, rest.buildNumber, rest.platform, rest.arch, rest.source].every(
      (field) => typeof field === 'string',
    ) &&
    Array.isArray(files) &&
    files.every((file: unknown) => isInstalledFile(file))
  );
}

function isInstalledFile(value: unknown): value is InstalledFile {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'sizeBytes' in value &&
    typeof value.sizeBytes === 'number'
  );
}
