/**
 * Names that become parts of URLs and paths: repositories, revisions, files. It decides which are sound; it touches no
 * disk.
 */
import { ModelFormatError, OptionError } from '../errors.js';
import { MAX_NAME_BYTES, MAX_PATH_CHARACTERS } from './limits.js';

const REPO_NAME = /^\w(?:[\w.-]{0,94}\w)?$/u;

/** Whether it can be a repository's id: NAME or OWNER/NAME, by the hub's own rules (huggingface_hub's validate_repo_id). */
export function isRepoId(text: string): boolean {
  const names = text.split('/');
  return (
    names.length <= 2 &&
    names.every((name) => REPO_NAME.test(name)) &&
    !text.includes('--') &&
    !text.includes('..') &&
    !text.endsWith('.git')
  );
}

/** Throws OPTION_INVALID unless isRepoId. */
export function checkRepoId(where: string, repo: string): string {
  if (isRepoId(repo)) return repo;
  throw new OptionError(
    'OPTION_INVALID',
    `${where}: ${JSON.stringify(repo.slice(0, 200))} is no repository of the hub. It has the form OWNER/NAME, of ` +
      "letters, digits, '-', '_' and '.', e.g. microsoft/Phi-3-mini-4k-instruct.",
    { details: { option: 'repo', found: repo } },
  );
}

/** 40 hexadecimal digits: it names the same files for ever. */
export function isCommitHash(text: string): boolean {
  return /^[0-9a-f]{40}$/u.test(text);
}

export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/u.test(text);
}

/** Throws OPTION_INVALID unless it can be a branch, a tag or a commit, and the path of a file below `refs`. */
export function checkRevision(where: string, revision: string): string {
  if (isSoundPath(revision) && whyNotPortable(revision) === undefined) return revision;
  throw new OptionError(
    'OPTION_INVALID',
    `${where}: revision ${JSON.stringify(revision.slice(0, 200))} is no branch, tag or commit.`,
    { details: { option: 'revision', found: revision } },
  );
}

/** Whether git could store it: names between slashes, none of them empty, `.` or `..`; not too long. */
export function isSoundPath(path: string): boolean {
  return (
    path.length <= MAX_PATH_CHARACTERS &&
    !/\p{Surrogate}/u.test(path) && // half a character has no UTF-8
    !path.includes('\0') &&
    path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
  );
}

/** Device names of Windows, with any extension. */
const RESERVED_NAME = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:\.|$)/iu;
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const UNSTORABLE_CHARACTER = /[\\<>:"|?*\u0000-\u001f\u007f]/u;

/** Why a sound path cannot be a file on every system; undefined: it can. */
function whyNotPortable(path: string): string | undefined {
  for (const name of path.split('/')) {
    if (UNSTORABLE_CHARACTER.test(name)) return 'it holds a character that Windows does not allow';
    if (RESERVED_NAME.test(name)) return 'Windows reserves that name';
    if (/[. ]$/u.test(name)) return 'a name that ends with a dot or a space loses it on Windows';
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `a name is longer than ${MAX_NAME_BYTES} bytes`;
  }
  return undefined;
}

/**
 * Throws FILE_MALFORMED unless all these sound paths can be stored beside one another on every system, whatever it makes
 * of upper and lower case: the same model is then the same everywhere.
 */
export function checkStorable(repo: string, paths: readonly string[]): void {
  const files = new Map<string, string>();
  for (const path of paths) {
    const reason = whyNotPortable(path);
    if (reason !== undefined) throw unstorable(repo, path, reason);
    const other = files.get(fold(path));
    if (other !== undefined) throw unstorable(repo, path, `it differs from ${JSON.stringify(other)} only in case`);
    files.set(fold(path), path);
  }
  for (const path of paths) {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const file = files.get(fold(path.slice(0, slash)));
      if (file !== undefined) throw unstorable(repo, path, `${JSON.stringify(file)} is a file`);
    }
  }
}

/** What systems that ignore case, or spell accents in their own way, take for the same name. */
function fold(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

function unstorable(repo: string, path: string, reason: string): ModelFormatError {
  return new ModelFormatError(
    'FILE_MALFORMED',
    `${repo} has a file ${JSON.stringify(path.slice(0, 200))} that is not stored: ${reason}. Nothing of it was fetched.`,
    { details: { repo, path, reason } },
  );
}
