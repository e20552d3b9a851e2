/**
 * Addresses of the hub's routes, who asks, and what its refusals mean. It sends nothing.
 */
import { NotFoundError } from '../errors.js';
import type { Refusal } from '../download/http.js';
import type { HubSettings } from './settings.js';

/** `/api/models/{repo}/revision/{revision}`: which commit it is now. */
export function revisionUrl({ endpoint }: HubSettings, repo: string, revision: string): URL {
  return new URL(`${endpoint.href.replace(/\/$/u, '')}/api/models/${repo}/revision/${encodeURIComponent(revision)}`);
}

/** `/api/models/{repo}/tree/{commit}`: its files, in pages. */
export function treeUrl({ endpoint }: HubSettings, repo: string, commit: string): URL {
  const url = new URL(`${endpoint.href.replace(/\/$/u, '')}/api/models/${repo}/tree/${commit}`);
  url.search = '?recursive=true&expand=false';
  return url;
}

/** `/{repo}/resolve/{commit}/{path}`: the file, or a redirect to where it lies. */
export function fileUrl({ endpoint }: HubSettings, repo: string, commit: string, path: string): URL {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return new URL(`${endpoint.href.replace(/\/$/u, '')}/${repo}/resolve/${commit}/${encoded}`);
}

/** For the hub's own host only: downloads leave them out where it redirects elsewhere. */
export function hubHeaders({ token }: HubSettings): Readonly<Record<string, string>> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/**
 * What a refusal of the hub means for the user (its header X-Error-Code, as huggingface_hub's hf_raise_for_status reads
 * it); undefined: nothing more than its status says.
 */
export function explainRefusal(settings: HubSettings, repo: string, revision: string) {
  const site = settings.endpoint.href.replace(/\/$/u, '');
  const hasToken = settings.token !== null;
  return ({ status, headers, url }: Refusal): NotFoundError | undefined => {
    const errorCode = headers['x-error-code'];
    const said = printable(headers['x-error-message']);
    const details = { repo, revision, url: `${site}/${repo}`, status, errorCode: errorCode ?? null };
    const fail = (code: 'ACCESS_DENIED' | 'MODEL_NOT_FOUND' | 'MODEL_FILE_MISSING', message: string): NotFoundError =>
      new NotFoundError(code, message, { details });
    if (said === 'Invalid credentials in Authorization header') {
      return fail(
        'ACCESS_DENIED',
        `${site} does not accept the token in use (expired, revoked or mistyped). Set HF_TOKEN to a new one from ` +
          `${site}/settings/tokens, or unset HF_TOKEN and run \`hf auth logout\`: public models need none.`,
      );
    }
    if (errorCode === 'GatedRepo') {
      return fail(
        'ACCESS_DENIED',
        `${repo} is gated. Accept its licence at ${site}/${repo} with your account, then ` +
          (hasToken
            ? 'try again; the token in use must belong to that account and be allowed to read gated repositories.'
            : `set HF_TOKEN to a token of that account (${site}/settings/tokens).`),
      );
    }
    if (errorCode === 'RevisionNotFound') {
      return fail('MODEL_NOT_FOUND', `${repo} at ${site} has no revision ${revision}. See ${site}/${repo}/tree/main.`);
    }
    if (errorCode === 'EntryNotFound') return fail('MODEL_FILE_MISSING', `${site} has no ${url.pathname}.`);
    if (errorCode === 'RepoNotFound' || status === 401 || (status === 404 && url.pathname.includes('/api/models/'))) {
      return fail(
        'MODEL_NOT_FOUND',
        `There is no ${repo} at ${site}, or it is private. Check the name` +
          (hasToken
            ? '; the token in use may not read it.'
            : `; for a private one set HF_TOKEN (${site}/settings/tokens).`),
      );
    }
    if (status !== 403) return undefined;
    const reason = said === '' ? '' : ` It says: ${said}`;
    return fail(
      'ACCESS_DENIED',
      `${site} does not let you read ${repo}. Check at ${site}/${repo} what it asks for, and the rights of the token in ` +
        `HF_TOKEN.${reason}`,
    );
  };
}

/** Enough of a server's words to act on, and nothing that a terminal would obey. */
function printable(header: string | readonly string[] | undefined): string {
  return String(header ?? '')
    .replace(/[^\x20-\x7e]/gu, ' ')
    .slice(0, 300)
    .trim();
}
