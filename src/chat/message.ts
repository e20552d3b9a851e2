/** The shape of a conversation. It does not render it (template.ts) nor tokenise it. */

export type ChatRole = 'system' | 'user' | 'assistant';

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
}

/** A stretch of a rendered prompt: the template's own text may hold control tokens, a person's text may not. */
export interface PromptPiece {
  readonly text: string;
  readonly specialTokens: 'parse' | 'text';
}
