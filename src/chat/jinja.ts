/**
 * Jinja as transformers sets it up for chat templates, over @huggingface/jinja: which variables and functions a template
 * sees, and what its failures mean. It bounds neither time nor memory; template-worker.ts does.
 *
 * As transformers' apply_chat_template: trim_blocks and lstrip_blocks on; messages, tools and documents (none),
 * add_generation_prompt, the special tokens, raise_exception, strftime_now, range, namespace, tojson without HTML
 * escapes, break and continue. `{% generation %}` renders its content. Unlike it: only the filters, tests and methods
 * that @huggingface/jinja knows, and a boolean or none that is printed as text reads true, false or nothing.
 */
import * as jinja from '@huggingface/jinja';
import { MAX_PROMPT_CHARACTERS, MAX_RANGE_ITEMS, type TemplateLimit } from './limits.js';
import type { ChatMessage } from './message.js';

/** What is used of the library. Its own declarations import without file extensions, which TypeScript cannot resolve. */
interface JinjaLibrary {
  readonly tokenize: (
    source: string,
    options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean },
  ) => Token[];
  readonly parse: (tokens: readonly Token[]) => CompiledTemplate;
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => { run(template: CompiledTemplate): { value: unknown } };
}
interface Token {
  readonly value: string;
}
interface Environment {
  set(name: string, value: unknown): unknown;
}
/** A parsed template: the library's own tree. */
export interface CompiledTemplate {
  readonly type: 'Program';
}
const { tokenize, parse, Environment, Interpreter } = jinja as unknown as JinjaLibrary;

/** What a template sees besides the messages. */
export interface TemplateVariables {
  readonly addGenerationPrompt: boolean;
  /** bos_token, eos_token and the like, by the name templates use. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** For strftime_now: local time as if it were UTC, in milliseconds since 1970. */
  readonly localTimeMs: number;
}

/** Why there is no text. */
export type TemplateFailure =
  /** The template called raise_exception. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'limit'; readonly limit: TemplateLimit; readonly message: string };

export type RenderedText = { readonly kind: 'text'; readonly text: string } | TemplateFailure;

class TemplateRefusal extends Error {}
class LimitError extends Error {
  constructor(
    readonly limit: TemplateLimit,
    message: string,
  ) {
    super(message);
  }
}

/** Parses a template, or says what is wrong with it and on which line. */
export function compileTemplate(source: string): CompiledTemplate | TemplateFailure {
  let tokens: Token[];
  try {
    tokens = lex(source);
  } catch (error) {
    return syntaxError(error, lineOfLexicalError(source, messageOf(error)));
  }
  let furthest = 0;
  const watched = new Proxy(tokens, {
    get(target, key, receiver) {
      const index = typeof key === 'string' ? Number(key) : NaN;
      if (index > furthest) furthest = index;
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  try {
    return parse(watched);
  } catch (error) {
    return syntaxError(error, lineOfToken(source, tokens, furthest));
  }
}

/** Renders one conversation. */
export function renderTemplate(
  template: CompiledTemplate,
  messages: readonly ChatMessage[],
  variables: TemplateVariables,
): RenderedText {
  try {
    const text = new Interpreter(createEnvironment(messages, variables)).run(template).value;
    if (typeof text !== 'string') return { kind: 'failed', message: 'the template rendered no text' };
    if (text.length > MAX_PROMPT_CHARACTERS) {
      throw new LimitError('output', `the prompt has ${text.length} characters, ${MAX_PROMPT_CHARACTERS} are allowed`);
    }
    return { kind: 'text', text };
  } catch (error) {
    return failureOf(error);
  }
}

function createEnvironment(messages: readonly ChatMessage[], variables: TemplateVariables): Environment {
  const environment = new Environment();
  const globals = {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    raise_exception: (message: unknown) => {
      throw new TemplateRefusal(String(message));
    },
    range: boundedRange,
    strftime_now: (format: unknown) => strftime(new Date(variables.localTimeMs), String(format)),
    ...variables.specialTokens,
    messages,
    tools: null,
    documents: null,
    add_generation_prompt: variables.addGenerationPrompt,
  };
  for (const [name, value] of Object.entries(globals)) environment.set(name, value);
  return environment;
}

/** Python's range, of at most MAX_RANGE_ITEMS items. */
function boundedRange(first: unknown, second: unknown, third: unknown): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const step = third ?? 1;
  if (!Number.isInteger(start) || !Number.isInteger(stop) || !Number.isInteger(step) || step === 0) {
    throw new Error('range() takes one to three integers, the step not zero');
  }
  const length = Math.max(0, Math.ceil((Number(stop) - Number(start)) / Number(step)));
  if (length > MAX_RANGE_ITEMS) {
    throw new LimitError('range', `range() of ${length} items, ${MAX_RANGE_ITEMS} are allowed`);
  }
  return Array.from({ length }, (_, i) => Number(start) + i * Number(step));
}

const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Python's strftime in the C locale, for the directives of dates and times; others stay as they are. */
function strftime(localTime: Date, format: string): string {
  const twoDigits = (n: number): string => String(n).padStart(2, '0');
  const month = MONTHS[localTime.getUTCMonth()] ?? '';
  const day = DAYS[localTime.getUTCDay()] ?? '';
  const hours = localTime.getUTCHours();
  const directives: Record<string, () => string> = {
    '%Y': () => String(localTime.getUTCFullYear()),
    '%y': () => twoDigits(localTime.getUTCFullYear() % 100),
    '%m': () => twoDigits(localTime.getUTCMonth() + 1),
    '%d': () => twoDigits(localTime.getUTCDate()),
    '%B': () => month,
    '%b': () => month.slice(0, 3),
    '%A': () => day,
    '%a': () => day.slice(0, 3),
    '%H': () => twoDigits(hours),
    '%I': () => twoDigits(hours % 12 === 0 ? 12 : hours % 12),
    '%M': () => twoDigits(localTime.getUTCMinutes()),
    '%S': () => twoDigits(localTime.getUTCSeconds()),
    '%p': () => (hours < 12 ? 'AM' : 'PM'),
    '%%': () => '%',
  };
  return format.replace(/%./g, (directive) => directives[directive]?.() ?? directive);
}

function lex(source: string): Token[] {
  return tokenize(source, { lstrip_blocks: true, trim_blocks: true });
}

function failureOf(error: unknown): TemplateFailure {
  if (error instanceof TemplateRefusal) return { kind: 'refused', message: messageOf(error) };
  if (error instanceof LimitError) return { kind: 'limit', limit: error.limit, message: error.message };
  // V8 raises RangeError for a full stack, and for strings and arrays longer than it can hold.
  if (error instanceof RangeError) {
    const nesting = error.message.includes('call stack');
    return nesting
      ? { kind: 'limit', limit: 'nesting', message: 'it nests or calls itself too deeply' }
      : { kind: 'limit', limit: 'output', message: `it built a text or list that is too long (${error.message})` };
  }
  return { kind: 'failed', message: messageOf(error) };
}

/** What an error says, cut to a size and without control characters: much of it is the template's own text. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(0, 500).replace(/\p{Cc}/gu, ' ');
}

function syntaxError(error: unknown, line: number): TemplateFailure {
  const failure = failureOf(error);
  if (failure.kind !== 'failed') return failure;
  // The parser reads on after the last token without looking.
  const message = error instanceof TypeError ? 'the template ends before the statement does' : failure.message;
  return { kind: 'failed', message: `line ${line}: ${message}` };
}

/** The lexer names no place: the error is on the first line that, as the last one, makes the same error. */
function lineOfLexicalError(source: string, message: string): number {
  const lines = source.split('\n');
  const atEnd = message.includes('end of');
  for (let count = 1; !atEnd && count < lines.length; count++) {
    try {
      lex(lines.slice(0, count).join('\n'));
    } catch (error) {
      if (messageOf(error) === message) return count;
    }
  }
  return lines.length;
}

/** Tokens have no positions either, but stand in the source in their order. */
function lineOfToken(source: string, tokens: Token[], index: number): number {
  let position = 0;
  for (const token of tokens.slice(0, index + 1)) {
    const found = source.indexOf(token.value, position);
    if (found >= 0) position = found + token.value.length;
  }
  return source.slice(0, position).split('\n').length;
}
