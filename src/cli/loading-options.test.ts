import { describe, expect, it } from 'vitest';
import { Command } from 'commander';
import { LOADING_KEYS } from '../model/load-options.js';
import { benchCommand } from './bench-command.js';
import { addLoadingOptions, readLoadingOptions, type LoadingFlags } from './loading-options.js';
import { pullCommand } from './pull-command.js';
import { runCommand } from './run-command.js';
import { verifyCommand } from './verify-command.js';

const { signal } = new AbortController();
const shared = addLoadingOptions(new Command()).options;

describe('the options of loading', () => {
  it.each([runCommand(signal), benchCommand(signal), verifyCommand(signal), pullCommand(signal)])(
    'are all there, with the same help ($_name)',
    (command) => {
      for (const { flags, description } of shared) {
        expect(command.options.find((one) => one.flags === flags)?.description).toBe(description);
      }
    },
  );

  it('are all that the library has', () => {
    const words = [
      ...['--ep-library', 'A=/a.so', '--provider-option', 'k=v', '--activations', 'fp32', '--context-tokens', '9'],
      ...['--threads', '2', '--session-option', 's=1', '--ov-config', '{"N":true}', '--max-prompt-tokens', '8'],
      ...['--min-response-tokens', '7', '--allow-unsupported', '--revision', 'main', '--offline'],
    ];
    const command = addLoadingOptions(new Command()).parse(words, { from: 'user' });
    const { download, ...options } = readLoadingOptions(command.opts<LoadingFlags>());
    expect(download).toBe('never');
    expect(options).toEqual({
      epLibraries: { A: '/a.so' },
      providerOptions: { k: 'v' },
      activations: 'fp32',
      contextTokens: 9,
      threads: 2,
      sessionOptions: { s: '1' },
      ovConfig: { N: 'YES' },
      maxPromptTokens: 8,
      minResponseTokens: 7,
      allowUnsupported: true,
      revision: 'main',
    });
    expect(Object.keys(options).sort()).toEqual([...LOADING_KEYS].sort());
    expect(readLoadingOptions({})).toEqual({});
  });
});
