import { describe, expect, it } from 'vitest';
import { checkRevision, checkStorable, isCommitHash, isRepoId, isSoundPath } from './names.js';

describe('names of repositories', () => {
  it.each(['gpt2', 'microsoft/Phi-3-mini-4k-instruct', 'a/b', 'a_b/c.d-e', 'x'.repeat(96)])('%s is one', (name) => {
    expect(isRepoId(name)).toBe(true);
  });

  it.each([
    '',
    '/',
    'a/',
    '/a',
    'a/b/c',
    '..',
    '../b',
    'a/..',
    'a--b/c',
    'a..b/c',
    'a/b.git',
    '.a/b',
    'a/b-',
    'a b/c',
    'a\\b',
    'C:/b',
    'a/ü',
    'a/b\0',
    'a/b\n',
    'x'.repeat(97),
  ])('%j is none', (name) => {
    expect(isRepoId(name)).toBe(false);
  });
});

describe('revisions', () => {
  it.each(['main', 'v1.0', 'refs/pr/7', 'a'.repeat(40)])('%s is one', (revision) => {
    expect(checkRevision('test', revision)).toBe(revision);
  });

  it.each(['', '..', '../../x', '/main', 'main/', 'a\\b', 'C:', 'nul', 'a\0'])('%j is none', (revision) => {
    expect(() => checkRevision('test', revision)).toThrow(/is no branch, tag or commit/u);
  });

  it('are commits where they are 40 hexadecimal digits in lower case', () => {
    expect(['0123456789abcdef'.repeat(3).slice(0, 40), 'A'.repeat(40), 'a'.repeat(39)].map(isCommitHash)).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('paths of files', () => {
  it.each(['config.json', 'onnx/cpu/model.onnx', '.gitattributes', 'ü ñ/名.txt', '...'])('%s is sound', (path) => {
    expect(isSoundPath(path)).toBe(true);
  });

  it.each(['', '/etc/passwd', '../x', 'a/../b', 'a/./b', 'a//b', 'a/', 'a\0b', 'a\ud800', 'x'.repeat(1025)])(
    '%j is not',
    (path) => {
      expect(isSoundPath(path)).toBe(false);
    },
  );

  it.each([
    ['a\\b', 'character'],
    ['C:x', 'character'],
    ['a?', 'character'],
    ['a\u001b[2J', 'character'],
    ['nul', 'reserves'],
    ['x/COM1.txt', 'reserves'],
    ['aux.json', 'reserves'],
    ['conout$', 'reserves'],
    ['name.', 'dot or a space'],
    ['a /b', 'dot or a space'],
    ['é'.repeat(128), 'longer than 255 bytes'],
  ])('%j cannot be stored everywhere', (path, reason) => {
    expect(() => checkStorable('a/b', ['config.json', path])).toThrow(reason);
  });

  it.each([
    [['Config.json', 'config.json'], 'only in case'],
    [['a/x', 'A/X'], 'only in case'],
    [['caf\u00e9', 'cafe\u0301'], 'only in case'],
    [['onnx', 'onnx/model.onnx'], 'is a file'],
    [['ONNX/model.onnx', 'onnx'], 'is a file'],
  ])('%j cannot be stored beside one another', (paths, reason) => {
    expect(() => checkStorable('a/b', paths)).toThrow(reason);
  });

  it('that differ in more than case can', () => {
    expect(() => checkStorable('a/b', ['onnx/a', 'onnx/b', 'onnx2', 'console', 'common.json'])).not.toThrow();
  });
});
