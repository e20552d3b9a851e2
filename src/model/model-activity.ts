/** What a model does at this moment, in counts, for `aipc top`: it is told of answers and keeps no word of them. */

/** One answer, from its call to its end. */
export interface AnswerActivity {
  /** `tokens`: sampled since the last call. */
  produced(tokens: number): void;
  /** Twice is harmless. */
  end(): void;
}

export class ModelActivity {
  #waiting = 0;
  #decoding = 0;
  #outputTokens = 0;
  #burst: { readonly firstMs: number; tokens: number } | null = null;
  #tokensPerSecond: number | null = null;

  get state(): 'idle' | 'prefill' | 'decode' {
    if (this.#decoding > 0) return 'decode';
    return this.#waiting > 0 ? 'prefill' : 'idle';
  }

  /** Since the model was loaded. */
  get outputTokens(): number {
    return this.#outputTokens;
  }

  /** All answers together, since one of them last began to decode; null: there was none yet. */
  get tokensPerSecond(): number | null {
    return this.#tokensPerSecond;
  }

  begin(): AnswerActivity {
    this.#waiting++;
    let phase: 'prefill' | 'decode' | 'ended' = 'prefill';
    return {
      produced: (tokens) => {
        if (phase === 'prefill') {
          phase = 'decode';
          this.#waiting--;
          this.#decoding++;
        }
        this.#count(tokens);
      },
      end: () => {
        if (phase === 'prefill') this.#waiting--;
        if (phase === 'decode') this.#decoding--;
        phase = 'ended';
        if (this.#decoding === 0) this.#burst = null;
      },
    };
  }

  #count(tokens: number): void {
    const nowMs = performance.now();
    this.#outputTokens += tokens;
    if (this.#burst === null) {
      this.#burst = { firstMs: nowMs, tokens: 0 };
      return; // the first piece ends a prefill, and says nothing of decoding
    }
    this.#burst.tokens += tokens;
    const elapsedMs = nowMs - this.#burst.firstMs;
    if (elapsedMs > 0) this.#tokensPerSecond = (1000 * this.#burst.tokens) / elapsedMs;
  }
}
