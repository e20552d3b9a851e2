/**
 * The proxy that the environment names for a URL: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in either case, as
 * curl reads them. It opens no connection. Not supported: SOCKS proxies, proxy auto-configuration, address ranges
 * (CIDR) in NO_PROXY.
 */
import { OptionError } from '../errors.js';

/** The proxy for `url`; undefined: connect directly. Throws OPTION_INVALID where the variable is not understood. */
export function proxyFor(url: URL, environment: NodeJS.ProcessEnv): URL | undefined {
  const names = [url.protocol === 'https:' ? 'https_proxy' : 'http_proxy', 'all_proxy'];
  const [found] = names.flatMap((name) => {
    const value = environment[name] ?? environment[name.toUpperCase()];
    return value === undefined || value === '' ? [] : [{ name, value }];
  });
  if (found === undefined || isDirect(url, environment['no_proxy'] ?? environment['NO_PROXY'] ?? '')) return undefined;
  const text = found.value.includes('://') ? found.value : `http://${found.value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  throw new OptionError(
    'OPTION_INVALID',
    `The environment variable ${found.name} (or ${found.name.toUpperCase()}) names no HTTP proxy; SOCKS proxies are not ` +
      'supported. Set it to http://HOST:PORT, or unset it to connect directly.',
    { details: { option: found.name } },
  );
}

/** The value of a Proxy-Authorization header, where the proxy's URL names a user. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === '') return undefined;
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/** NO_PROXY: names (with all their subdomains), each with or without a port, or `*`. This machine is always direct. */
function isDirect(url: URL, list: string): boolean {
  const host = url.hostname.toLowerCase().replace(/^\[|\]$/gu, '');
  if (host === 'localhost' || host === '::1' || /^127\./u.test(host)) return true;
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return list
    .toLowerCase()
    .split(/[\s,]+/u)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', onlyPort] = /^\*?\.?(.*?)(?::(\d+))?$/u.exec(entry) ?? [];
      return (onlyPort === undefined || onlyPort === port) && (host === name || host.endsWith(`.${name}`));
    });
}
