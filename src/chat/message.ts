/** The shape of a conversation. It does not render it (template.ts) nor tokenise it. */
import { OptionError } from '../errors.js';
import { checkChoice, refuseUnknownKeys } from '../options.js';
import { MAX_CONVERSATION_CHARACTERS, MAX_MESSAGES } from './limits.js';

/** `tool`: what a tool that the assistant called came to. Templates without tools ignore or refuse it. */
export type ChatRole = 'system' | 'user' | 'assistant' | 'tool';

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
  /**
   * Of a system message: the tools that the assistant may call, as JSON, for templates that look for them there
   * (Phi-4-mini's). Text like any content.
   */
  readonly tools?: string;
}

/** A stretch of a rendered prompt: the template's own text may hold control tokens, a person's text may not. */
export interface PromptPiece {
  readonly text: string;
  readonly specialTokens: 'parse' | 'text';
}

const ROLES: readonly ChatRole[] = ['system', 'user', 'assistant', 'tool'];

/**
 * Returns a copy of `messages` that holds roles, contents and tools alone.
 * Throws OPTION_INVALID for an unknown role, OPTION_UNKNOWN for other keys, INPUT_INVALID for anything that is no
 * message and for a conversation over the limits.
 */
export function checkMessages(messages: readonly ChatMessage[]): ChatMessage[] {
  const given: unknown = messages;
  if (!Array.isArray(given)) throw invalid('messages must be an array of { role, content }.', {});
  if (given.length > MAX_MESSAGES) {
    throw invalid(`a conversation may have ${MAX_MESSAGES} messages, found ${given.length}.`, {
      found: given.length,
      allowed: MAX_MESSAGES,
    });
  }
  let characters = 0;
  return given.map((message: unknown, index) => {
    const where = `messages[${index}]`;
    if (typeof message !== 'object' || message === null)
      throw invalid(`${where} must be { role, content }.`, { index });
    refuseUnknownKeys(where, message, ['role', 'content', 'tools']);
    const { role, content, tools } = message as Record<string, unknown>;
    if (typeof content !== 'string') {
      throw invalid(`${where}.content must be a string, found ${content === null ? 'null' : typeof content}.`, {
        index,
      });
    }
    if (tools !== undefined && typeof tools !== 'string') {
      throw invalid(`${where}.tools must be a string of JSON, found ${tools === null ? 'null' : typeof tools}.`, {
        index,
      });
    }
    characters += content.length + (tools?.length ?? 0);
    if (characters > MAX_CONVERSATION_CHARACTERS) {
      throw invalid(`a conversation may have ${MAX_CONVERSATION_CHARACTERS} characters; ${where} exceeds them.`, {
        index,
        allowed: MAX_CONVERSATION_CHARACTERS,
      });
    }
    return { role: checkChoice(where, 'role', role, ROLES), content, ...(tools === undefined ? {} : { tools }) };
  });
}

function invalid(message: string, details: Record<string, unknown>): OptionError {
  return new OptionError('INPUT_INVALID', `chat: ${message}`, { details });
}
