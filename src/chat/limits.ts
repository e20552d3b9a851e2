/** What a chat template, a program written by a stranger, may use. Reaching a limit is CHAT_TEMPLATE_LIMIT_EXCEEDED. */

/** Of a template's source, in UTF-16 units. The longest in use (tools, several languages) stay below 100,000. */
export const MAX_TEMPLATE_CHARACTERS = 256 * 1024;

/** Of the files that may hold a template. tokenizer_config.json lists added tokens too: up to a few MB. */
export const MAX_TEMPLATE_FILE_BYTES = 16 * 1024 * 1024;

/** Of all message contents together, in UTF-16 units: some 500,000 tokens, where the longest contexts hold 128,000. */
export const MAX_CONVERSATION_CHARACTERS = 2 * 1024 * 1024;

/** Messages of one conversation. */
export const MAX_MESSAGES = 100_000;

/** Of a rendered prompt, in UTF-16 units: the longest conversation with as much again from the template. */
export const MAX_PROMPT_CHARACTERS = 2 * MAX_CONVERSATION_CHARACTERS;

/** Of one `range(...)`: the limit of Jinja's own sandbox (jinja2.sandbox.MAX_RANGE), which transformers uses. */
export const MAX_RANGE_ITEMS = 100_000;

/** For a render of a short conversation, which needs a few milliseconds. */
export const RENDER_TIME_LIMIT_MS = 700;
/** More for each 1,000 characters of messages: the longest conversation needs about a second and gets five. */
const RENDER_TIME_PER_1000_CHARACTERS_MS = 2;

/** Without messages a template is only parsed. */
export function renderTimeLimitMs(messages: readonly { readonly content: string }[] = []): number {
  const characters = messages.reduce((sum, { content }) => sum + content.length, 0);
  return Math.ceil(RENDER_TIME_LIMIT_MS + (characters / 1000) * RENDER_TIME_PER_1000_CHARACTERS_MS);
}

/** How much longer than the render limit the parent waits before it kills the process, which may be starved meanwhile. */
export const KILL_GRACE_MS = 1000;

/** For the process to start: some hundred milliseconds, more on a busy machine. */
export const START_TIME_LIMIT_MS = 30_000;

/** Heap of the process that renders. The longest conversation needs about half. */
export const RENDER_HEAP_MIB = 128;

/** What a render that reached its time limit comes to. */
export function tookTooLong(limitMs: number): { kind: 'limit'; limit: TemplateLimit; message: string } {
  return { kind: 'limit', limit: 'time', message: `it ran for more than ${limitMs} ms` };
}

export type TemplateLimit = 'time' | 'memory' | 'range' | 'output' | 'nesting' | 'source';
