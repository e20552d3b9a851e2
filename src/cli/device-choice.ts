/** What `--device auto` chose and why not the others, in words for stderr. */
import type { DeviceSelection } from '../devices/recommend.js';

/** UTF-8 bytes of a token, about, in European languages; fewer elsewhere, so that the estimate is rather too long. */
const BYTES_PER_TOKEN = 3;

/** The choice comes before the tokenizer is there: an estimate, which the reasons call so. */
export function estimateTokens(text: string): number {
  return Math.max(1, Math.ceil(Buffer.byteLength(text, 'utf8') / BYTES_PER_TOKEN));
}

/** One line for the choice, one for each device or provider that it was not; nothing where there was nothing to choose. */
export function formatSelection({ chosen, ranked, rejected, prefer }: DeviceSelection): string {
  if (ranked.length + rejected.length < 2) return '';
  const lines = [
    `device auto (${prefer}): ${chosen.deviceId}, provider ${chosen.provider}: ${chosen.reason}`,
    ...ranked
      .filter((one) => one !== chosen)
      .map(({ deviceId, provider, reason }) => `  after it ${deviceId}, provider ${provider}: ${reason}`),
    ...rejected.map(
      ({ deviceId, provider, reason }) =>
        `  not ${deviceId}${provider === null ? '' : `, provider ${provider}`}: ${reason}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
