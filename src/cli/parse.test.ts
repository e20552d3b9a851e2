import { describe, expect, it } from 'vitest';
import { collect, collectKeyValue, parseDecimal, parseInteger } from './parse.js';

describe('option values', () => {
  it('reads integers and nothing that merely starts like one', () => {
    expect(parseInteger('1024')).toBe(1024);
    for (const text of ['12abc', '1.5', '', '0x10', 'NaN']) expect(() => parseInteger(text)).toThrow('integer');
  });

  it('reads decimals', () => {
    expect(parseDecimal('0.3')).toBe(0.3);
    expect(parseDecimal('1e-3')).toBe(0.001);
    for (const text of ['zero', '1,5', '', 'Infinity']) expect(() => parseDecimal(text)).toThrow('number');
  });

  it('collects repeated options in order', () => {
    expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']);
    expect(collectKeyValue('k=v=w', collectKeyValue('a=', undefined))).toEqual({ a: '', k: 'v=w' });
    expect(() => collectKeyValue('=v', undefined)).toThrow('KEY=VALUE');
  });
});
