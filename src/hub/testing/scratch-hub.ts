/** For tests: a hub server and an empty cache, of one test each, and settings that lead to both. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { SnapshotOptions } from '../fetch-snapshot.js';
import { hubSettings, type HubSettings } from '../settings.js';
import { startHubServer, type HubServer, type HubServerOptions } from './hub-server.js';

export interface ScratchHub {
  server: HubServer;
  /** The cache's folder; it does not exist yet. */
  cache: string;
  /** Beside the cache. */
  outside: string;
  settings: HubSettings;
  /** For child processes. */
  environment: Record<string, string>;
}

export const REPO = 'maker/tiny-model';

/** Filled anew before each test of the file. */
export function scratchHub(options: HubServerOptions = {}): ScratchHub {
  const scratch = {} as ScratchHub;
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aipc-hub-'));
    scratch.server = await startHubServer(options);
    scratch.cache = path.join(folder, 'hub');
    scratch.outside = folder;
    scratch.environment = { HF_ENDPOINT: scratch.server.endpoint, HF_HUB_CACHE: scratch.cache, HF_HOME: folder };
    scratch.settings = hubSettings(scratch.environment);
  });
  afterEach(async () => {
    await scratch.server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return scratch;
}

/** Everything of REPO, with retries that do not wait. */
export function everything(scratch: ScratchHub, more: Partial<SnapshotOptions> = {}): SnapshotOptions {
  return {
    repo: REPO,
    wanted: () => true,
    download: 'if-missing',
    settings: scratch.settings,
    retry: { maxRetries: 2, firstDelayMs: 1 },
    ...more,
  };
}

/** The names of what is in a repository's `blobs`. */
export async function blobsOf(scratch: ScratchHub): Promise<string[]> {
  return (await readdir(path.join(scratch.cache, 'models--maker--tiny-model', 'blobs'))).sort();
}
