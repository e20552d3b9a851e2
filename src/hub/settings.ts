/**
 * What the environment says about Hugging Face's hub, by the names that Hugging Face's Python tools read, so that one
 * setting serves both (huggingface_hub/constants.py, utils/_auth.py). It asks no server. Not read: HF_OIDC_RESOURCE and
 * the refreshing of OAuth tokens; `hf auth login` stores tokens where this finds them.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { OptionError } from '../errors.js';
import { hasErrorCode } from '../file-system.js';

export interface HubSettings {
  /** HF_ENDPOINT; without a slash at the end of its path. */
  readonly endpoint: URL;
  /** HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. Absolute. */
  readonly cacheFolder: string;
  /** HF_TOKEN, else the file HF_TOKEN_PATH or HF_HOME/token; null: none, or HF_HUB_DISABLE_IMPLICIT_TOKEN. */
  readonly token: string | null;
  /** HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE: nothing is asked for over the network. */
  readonly offline: boolean;
  /** false: HF_HUB_DISABLE_SYMLINKS. Where the system refuses them, none are made either. */
  readonly symlinks: boolean;
  /** Where proxies are named. */
  readonly environment: NodeJS.ProcessEnv;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';

/** Throws OPTION_INVALID where a variable cannot be understood. */
export function hubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
  const home = hubHome(environment);
  const cache = firstOf(environment, 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE');
  return {
    endpoint: endpointOf(environment),
    cacheFolder: cache === undefined ? path.join(home, 'hub') : expand(cache, environment),
    token: isTrue(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN']) ? null : tokenOf(environment, home),
    offline: isTrue(firstOf(environment, 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE')),
    symlinks: !isTrue(environment['HF_HUB_DISABLE_SYMLINKS']),
    environment,
  };
}

function hubHome(environment: NodeJS.ProcessEnv): string {
  const chosen = firstOf(environment, 'HF_HOME');
  if (chosen !== undefined) return expand(chosen, environment);
  const caches = firstOf(environment, 'XDG_CACHE_HOME') ?? path.join(userHome(environment), '.cache');
  return path.join(expand(caches, environment), 'huggingface');
}

function endpointOf(environment: NodeJS.ProcessEnv): URL {
  const text = firstOf(environment, 'HF_ENDPOINT') ?? DEFAULT_ENDPOINT;
  const endpoint = URL.canParse(text) ? new URL(text) : undefined;
  if (endpoint === undefined || !['http:', 'https:'].includes(endpoint.protocol)) {
    throw new OptionError(
      'OPTION_INVALID',
      'The environment variable HF_ENDPOINT must begin with http:// or https://. Set it to the address of your mirror, or ' +
        `unset it to use ${DEFAULT_ENDPOINT}.`,
      { details: { option: 'HF_ENDPOINT' } },
    );
  }
  endpoint.search = '';
  endpoint.hash = '';
  endpoint.pathname = endpoint.pathname.replace(/\/+$/u, '');
  return endpoint;
}

function tokenOf(environment: NodeJS.ProcessEnv, home: string): string | null {
  const given = firstOf(environment, 'HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN');
  const file = firstOf(environment, 'HF_TOKEN_PATH');
  const tokenFile = file === undefined ? path.join(home, 'token') : expand(file, environment);
  const token = (given ?? readIfThere(tokenFile)).trim();
  // What is no token would break the request's headers; its text is a secret all the same.
  if (token === '' || /^[\x21-\x7e]+$/u.test(token)) return token === '' ? null : token;
  const source = given === undefined ? `The file ${tokenFile}` : 'The environment variable HF_TOKEN';
  throw new OptionError(
    'OPTION_INVALID',
    `${source} holds no token: tokens are one word of ASCII characters (hf_...). Put one there, or remove it.`,
    { details: { option: 'HF_TOKEN' } },
  );
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return '';
    throw error;
  }
}

/** The first that is set and not empty. */
function firstOf(environment: NodeJS.ProcessEnv, ...names: readonly string[]): string | undefined {
  return names.map((name) => environment[name]).find((value) => value !== undefined && value !== '');
}

/** As Python's expanduser and expandvars: `~`, `$NAME`, `${NAME}`, on Windows `%NAME%`; what is not set stays as it is. */
function expand(text: string, environment: NodeJS.ProcessEnv): string {
  const named = text
    .replace(/^~(?=$|[\\/])/u, () => userHome(environment))
    .replace(/\$(?:(\w+)|\{([^{}]+)\})/gu, (whole, bare?: string, braced?: string) => {
      return environment[bare ?? braced ?? ''] ?? whole;
    });
  if (process.platform !== 'win32') return path.resolve(named);
  return path.resolve(named.replace(/%([^%]+)%/gu, (whole, name: string) => environment[name] ?? whole));
}

function userHome(environment: NodeJS.ProcessEnv): string {
  return firstOf(environment, process.platform === 'win32' ? 'USERPROFILE' : 'HOME') ?? homedir();
}

/** As huggingface_hub reads switches. */
function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((value ?? '').toUpperCase());
}
