/** Node.js, memory, disk, caches and the hub: the checks that know no device. */
import { accessSync, constants } from 'node:fs';
import { readFileSync } from 'node:fs';
import { cacheFolder } from '../cache-folder.js';
import type { Machine } from '../devices/device.js';
import { requestText } from '../download/download-text.js';
import { formatBytes } from '../engine/memory.js';
import { AipcError, NotFoundError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';
import { hubHeaders, revisionUrl } from '../hub/hub-request.js';
import { hubSettings } from '../hub/settings.js';
import { pruneCache } from '../inventory/prune-cache.js';
import { describeCatalogueEntry } from '../model/describe-model.js';
import { thisMachine } from '../model/requirements.js';
import { compareVersions } from '../machine/judge-drivers.js';
import { fail, pass, warn, type DoctorCheck } from './check.js';

/** `engines.node` of package.json, which is where the number is kept. */
function oldestNode(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { engines } = JSON.parse(text) as { engines: { node: string } };
  return engines.node.replace(/^\D+/u, '');
}

export function checkNode(version: string = process.versions.node, oldest = oldestNode()): DoctorCheck {
  const found = `${version} (${process.platform} ${process.arch})`;
  return compareVersions(version, oldest) >= 0
    ? pass('node', 'Node.js', found)
    : fail('node', 'Node.js', found, `Install Node.js ${oldest} or newer: https://nodejs.org`);
}

const MODEL = 'phi-3-mini';

export function checkMemory({ memory }: Pick<Machine, 'memory'>): DoctorCheck {
  const { totalBytes, availableBytes } = memory;
  const found = `${formatBytes(totalBytes)}, of which ${formatBytes(availableBytes)} are available`;
  const needs = (describeCatalogueEntry(MODEL)?.choices ?? []).flatMap(({ memoryBytes }) => memoryBytes ?? []);
  const least = Math.min(...needs);
  if (least <= availableBytes) return pass('memory', 'memory', found);
  const remedy = `${MODEL} needs ${formatBytes(least)}: close programs, give a shorter --context-tokens, or a smaller model (aipc list).`;
  return warn('memory', 'memory', found, remedy);
}

const LEAST_DISK_BYTES = 2 ** 30;
/** Room for the weights of a model of 4 billion parameters in fp16 and their conversion. */
const COMFORTABLE_DISK_BYTES = 12 * 2 ** 30;

async function checkDisk(folder: string, title: string, id: string): Promise<DoctorCheck> {
  const { freeBytes } = await thisMachine().diskOf(folder);
  const found = `${formatBytes(freeBytes)} free for ${folder}`;
  const remedy = 'Free some space (aipc cache prune, aipc rm), or move the caches with HF_HOME and AIPC_CACHE.';
  if (freeBytes < LEAST_DISK_BYTES) return fail(id, title, found, remedy);
  if (freeBytes < COMFORTABLE_DISK_BYTES) {
    return warn(
      id,
      title,
      found,
      `Converting a model like Phi-3-mini takes ${formatBytes(COMFORTABLE_DISK_BYTES)}. ${remedy}`,
    );
  }
  return pass(id, title, found);
}

export async function checkDisks(): Promise<readonly DoctorCheck[]> {
  return [
    await checkDisk(cacheFolder(), "disk of aipc's cache", 'disk:aipc'),
    await checkDisk(hubSettings().cacheFolder, 'disk of the hub cache', 'disk:hub'),
  ];
}

/** Whether the cache can be written to, and what in it nobody will use again. */
export async function checkCache(): Promise<DoctorCheck> {
  const folder = cacheFolder();
  const [id, title] = ['cache', "aipc's cache"];
  try {
    accessSync(folder, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT'))
      return pass(id, title, `${folder} is not there yet; it is made when it is needed`);
    return fail(id, title, `${folder} cannot be written to`, 'Make it yours, or name another folder with AIPC_CACHE.');
  }
  const leftovers = await pruneCache({ dryRun: true });
  if (leftovers.length === 0) return pass(id, title, `${folder} is in order`);
  const bytes = leftovers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return warn(
    id,
    title,
    `${folder} holds ${leftovers.length} leftovers of ${formatBytes(bytes)}`,
    'Remove them: aipc cache prune',
  );
}

const HUB_TIMEOUT_MS = 10_000;
const MOST_ANSWER_BYTES = 2 * 2 ** 20;
/** Any public repository would do; this is the one that people ask for. */
const ASKED_REPO = 'microsoft/Phi-3-mini-4k-instruct';

export async function checkHub(offline: boolean, signal: AbortSignal | undefined): Promise<DoctorCheck> {
  const [id, title] = ['hub', 'network to the hub'];
  const settings = hubSettings();
  if (offline || settings.offline) return pass(id, title, 'not asked: offline');
  const startedMs = performance.now();
  try {
    await requestText({
      url: revisionUrl(settings, ASKED_REPO, 'main'),
      headers: hubHeaders(settings),
      maxBytes: MOST_ANSWER_BYTES,
      stallTimeoutMs: HUB_TIMEOUT_MS,
      retry: { maxRetries: 0, firstDelayMs: 0 },
      environment: settings.environment,
      signal,
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof AipcError)) throw error;
    const remedy =
      'Models that are here run all the same (--offline). Else check the network and the proxy (HTTPS_PROXY), or name a ' +
      'mirror with HF_ENDPOINT.';
    return error instanceof NotFoundError && error.code === 'ACCESS_DENIED'
      ? warn(id, title, error.message, 'Check the token in HF_TOKEN, or unset it.')
      : warn(id, title, error.message, remedy);
  }
  return pass(id, title, `${settings.endpoint.href} answered in ${(performance.now() - startedMs).toFixed(0)} ms`);
}
