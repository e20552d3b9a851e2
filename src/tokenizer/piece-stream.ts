/**
 * Cuts a text that comes in parts where no merge can join the characters there, as Bpe.pieceEnd does for one that is
 * there as a whole: so that a long text is neither normalised nor spelt all at once. It does not encode.
 */
import { type Bpe } from './bpe.js';

/** Takes a piece: text.slice(start, end). */
type PieceSink = (text: string, start: number, end: number) => void;

export class PieceStream {
  private readonly bpe: Bpe;
  private readonly sink: PieceSink;
  /** Parts that begin a piece whose end is not known yet. */
  private pending = '';
  /** The last UTF-16 code unit of `pending`. */
  private lastUnit = 0;

  constructor(bpe: Bpe, sink: PieceSink) {
    this.bpe = bpe;
    this.sink = sink;
  }

  push(part: string): void {
    if (part === '') return;
    let start = 0;
    if (this.pending !== '') {
      if (!this.bpe.canCut(this.lastUnit, part.charCodeAt(0))) start = this.bpe.pieceEnd(part, 0, part.length);
      this.pending += part.slice(0, start);
      if (start === part.length) {
        this.lastUnit = part.charCodeAt(start - 1);
        return;
      }
      this.flush();
    }
    for (;;) {
      const end = this.bpe.pieceEnd(part, start, part.length);
      if (end === part.length) break;
      this.sink(part, start, end);
      start = end;
    }
    this.pending = part.slice(start);
    this.lastUnit = part.charCodeAt(part.length - 1);
  }

  /** Hands on what is left. */
  flush(): void {
    if (this.pending !== '') this.sink(this.pending, 0, this.pending.length);
    this.pending = '';
  }
}
