/**
 * One conversation through one template, so that the text of its messages stays text. It runs inside the limits that
 * template-worker.ts sets, where neither the template's work nor a long conversation's holds up anything else.
 */
import { renderTemplate, type CompiledTemplate, type TemplateFailure, type TemplateVariables } from './jinja.js';
import { chooseSentinels, createMarker, MARKINGS } from './look-alikes.js';
import type { ChatMessage, PromptPiece } from './message.js';

export interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly variables: TemplateVariables;
  /** The contents of the tokens that text must not turn into. */
  readonly controlTokens: readonly string[];
}

export type RenderedPieces =
  | { readonly kind: 'pieces'; readonly pieces: readonly PromptPiece[] }
  /** No four noncharacters are left to mark messages with. */
  | { readonly kind: 'unmarkable' }
  | TemplateFailure;

/** Renders `messages`; `source` is the template's. */
export function renderPieces(
  template: CompiledTemplate,
  source: string,
  { messages, variables, controlTokens }: Conversation,
): RenderedPieces {
  const contents = messages.flatMap(({ content, tools = '' }) => [content, tools]);
  const sentinels = chooseSentinels([source, ...controlTokens, ...Object.values(variables.specialTokens), ...contents]);
  if (sentinels === undefined) return { kind: 'unmarkable' };
  const expected = renderTemplate(template, messages, variables);
  if (expected.kind !== 'text') return expected;

  const marker = createMarker(controlTokens, sentinels, source);
  let last: RenderedPieces = { kind: 'failed', message: 'it renders marked messages to nothing' };
  for (const marking of MARKINGS) {
    const marked = messages.map(({ role, content, tools }) => ({
      role,
      content: marker.mark(content, marking),
      ...(tools === undefined ? {} : { tools: marker.mark(tools, marking) }),
    }));
    const rendered = renderTemplate(template, marked, variables);
    if (rendered.kind !== 'text') {
      last = rendered;
      continue;
    }
    const pieces = marker.split(rendered.text);
    if (pieces === undefined) continue;
    last = { kind: 'pieces', pieces };
    if (pieces.map(({ text }) => text).join('') === expected.text) break;
  }
  // Where none equals the expected text, the template searched for control tokens in messages, and did not find the
  // broken ones.
  return last;
}
