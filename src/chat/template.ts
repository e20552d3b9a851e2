/**
 * Messages to the pieces of a prompt, through the chat template that a model brings along.
 * It tokenises nothing, and knows nothing of files (load-template.ts) or of how Jinja works (jinja.ts).
 *
 * A template is a stranger's program: it runs in a process of its own with little memory, a time limit and nothing to
 * reach (template-process.ts). A message is a person's text: none of it becomes a control token (look-alikes.ts).
 */
import { ModelFormatError, OptionError } from '../errors.js';
import { refuseUnknownKeys } from '../options.js';
import { MAX_TEMPLATE_CHARACTERS } from './limits.js';
import { checkMessages, type ChatMessage, type PromptPiece } from './message.js';
import type { RenderedPieces } from './render-pieces.js';
import { TemplateProcess } from './template-process.js';

export interface ChatTemplateOptions {
  /** Jinja. At most MAX_TEMPLATE_CHARACTERS. */
  readonly source: string;
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly unkToken?: string;
  readonly padToken?: string;
  /** The contents of the vocabulary's added tokens (Tokenizer.addedTokens): text must not turn into them. */
  readonly controlTokens: Iterable<string>;
}

export interface RenderOptions {
  /** Ends the prompt with the beginning of the assistant's answer. */
  readonly addGenerationPrompt: boolean;
  readonly signal?: AbortSignal;
  /** What strftime_now tells templates that ask for the date. Default: the present. */
  readonly now?: Date;
}

export interface ChatTemplate extends AsyncDisposable {
  readonly source: string;
  /** Starts the process ahead of the first render, which then takes milliseconds. Failures come with render(). */
  warmUp(): void;
  /**
   * The pieces joined equal transformers' apply_chat_template(tokenize=False), but where a template searches messages
   * for control tokens: it finds none there.
   * Throws CHAT_TEMPLATE_FAILED (what the template raised, or what is wrong with it), CHAT_TEMPLATE_LIMIT_EXCEEDED,
   * OPTION_INVALID, OPTION_UNKNOWN and INPUT_INVALID for the messages, RUNTIME_FAILED where no process can be started,
   * DISPOSED; the signal's reason when aborted.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): Promise<readonly PromptPiece[]>;
  /** Ends the process. May be called twice. */
  dispose(): Promise<void>;
}

/** A chat template, ready to render. Throws CHAT_TEMPLATE_LIMIT_EXCEEDED for a source that is too long. */
export function createChatTemplate(options: ChatTemplateOptions): ChatTemplate {
  refuseUnknownKeys('createChatTemplate', options, OPTIONS);
  const { source } = options;
  if (source.length > MAX_TEMPLATE_CHARACTERS) {
    throw new ModelFormatError(
      'CHAT_TEMPLATE_LIMIT_EXCEEDED',
      `The chat template has ${source.length} characters; ${MAX_TEMPLATE_CHARACTERS} are allowed. ${REMEDY}`,
      { details: { limit: 'source', found: source.length, allowed: MAX_TEMPLATE_CHARACTERS } },
    );
  }
  const controlTokens = [...options.controlTokens];
  const specialTokens = namedTokens(options);
  const renderer = new TemplateProcess();

  return {
    source,
    warmUp() {
      renderer.request({ source, conversation: undefined }).catch(() => undefined);
    },
    async render(messages, renderOptions) {
      refuseUnknownKeys('chat template', renderOptions, ['addGenerationPrompt', 'signal', 'now']);
      const { addGenerationPrompt, signal, now = new Date() } = renderOptions;
      signal?.throwIfAborted();
      const conversation = {
        messages: checkMessages(messages),
        variables: {
          addGenerationPrompt,
          specialTokens,
          localTimeMs: now.getTime() - now.getTimezoneOffset() * 60_000,
        },
        controlTokens,
      };
      return piecesOf(await renderer.request({ source, conversation }, signal));
    },
    dispose: () => renderer.dispose(),
    [Symbol.asyncDispose]: () => renderer.dispose(),
  };
}

// prettier-ignore
const OPTIONS: readonly (keyof ChatTemplateOptions)[] = [
  'source', 'bosToken', 'eosToken', 'unkToken', 'padToken', 'controlTokens',
];

const REMEDY =
  "Use a model with another template, or give the prompt raw, with the template's markers in it " +
  '({ prompt } in the library, --raw on the command line).';

/** The pieces, or the error that says why there are none. */
function piecesOf(rendered: RenderedPieces): readonly PromptPiece[] {
  switch (rendered.kind) {
    case 'pieces':
      return rendered.pieces;
    case 'refused':
      throw new ModelFormatError(
        'CHAT_TEMPLATE_FAILED',
        `The chat template refuses this conversation: ${rendered.message}`,
        { details: { raised: rendered.message } },
      );
    case 'failed':
      throw new ModelFormatError('CHAT_TEMPLATE_FAILED', `The chat template fails: ${rendered.message}. ${REMEDY}`, {
        details: { reason: rendered.message },
      });
    case 'limit':
      throw new ModelFormatError(
        'CHAT_TEMPLATE_LIMIT_EXCEEDED',
        `The chat template exceeds a limit (${rendered.limit}): ${rendered.message}. It may be hostile. ${REMEDY}`,
        { details: { limit: rendered.limit } },
      );
    case 'unmarkable':
      throw new OptionError(
        'INPUT_INVALID',
        'chat: the messages use nearly all of the Unicode noncharacters U+FDD0 to U+FDEF. Four must be unused, to mark ' +
          'where messages begin and end; no text needs these characters: remove them.',
      );
  }
}

/** The special tokens under the names that templates know. */
function namedTokens(options: ChatTemplateOptions): Record<string, string> {
  const named = {
    bos_token: options.bosToken,
    eos_token: options.eosToken,
    unk_token: options.unkToken,
    pad_token: options.padToken,
  };
  return Object.fromEntries(Object.entries(named).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
