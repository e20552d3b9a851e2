/**
 * The process that renders chat templates, so that a hostile one can neither take the memory nor the time of the program
 * that runs the model. It answers one request after another and ends with its parent. template-process.ts starts it,
 * with a small heap and an empty environment.
 */
import { Script } from 'node:vm';
import { compileTemplate } from './jinja.js';
import { renderTimeLimitMs, tookTooLong } from './limits.js';
import { renderPieces, type Conversation, type RenderedPieces } from './render-pieces.js';

export interface RenderRequest {
  readonly source: string;
  /** undefined: the template is only parsed, ahead of its first use. */
  readonly conversation: Conversation | undefined;
}

/** 'ready' once, then an answer to each request. */
export type WorkerMessage = 'ready' | RenderedPieces;

let compiled: { readonly source: string; readonly result: ReturnType<typeof compileTemplate> } | undefined;

function render({ source, conversation }: RenderRequest): RenderedPieces {
  if (compiled?.source !== source) compiled = { source, result: compileTemplate(source) };
  const template = compiled.result;
  if ('kind' in template) return template;
  return conversation === undefined ? { kind: 'pieces', pieces: [] } : renderPieces(template, source, conversation);
}

// A script run by vm is the one thing that Node can interrupt after a time: even an endless loop, and even when the
// parent is gone and cannot kill this process.
const guarded = new Script('renderRequest()');

function renderWithinTime(request: RenderRequest): RenderedPieces {
  const limitMs = renderTimeLimitMs(request.conversation?.messages);
  let rendered: RenderedPieces | undefined;
  Object.assign(globalThis, {
    renderRequest: () => {
      rendered = render(request);
    },
  });
  try {
    guarded.runInThisContext({ timeout: limitMs });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
  }
  return rendered ?? tookTooLong(limitMs);
}

function send(message: WorkerMessage): void {
  process.send?.(message);
}

process.on('disconnect', () => process.exit());
// Ctrl-C (on Windows Ctrl-Break, too) reaches every process of a terminal; whether to end is the parent's decision.
for (const signal of ['SIGINT', ...(process.platform === 'win32' ? ['SIGBREAK'] : [])]) {
  process.on(signal, () => undefined);
}
process.on('message', (request: RenderRequest) => {
  send(renderWithinTime(request));
});
send('ready');
