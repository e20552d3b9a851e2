import { describe, expect, it } from 'vitest';
import { collect, collectKeyValue, collectKeyValueOrJson, parseDecimal, parseInteger } from './parse.js';

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

  it('reads properties as KEY=VALUE or as a JSON object', () => {
    const json = '{"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "CACHE_DIR": ""}';
    const properties = { PERFORMANCE_HINT: 'LATENCY', NUM_STREAMS: '1', CACHE_DIR: '' };
    expect(collectKeyValueOrJson(json, undefined)).toEqual(properties);
    expect(collectKeyValueOrJson('NUM_STREAMS=2', properties)).toEqual({ ...properties, NUM_STREAMS: '2' });
    expect(collectKeyValueOrJson('{"A": 4, "B": true, "C": false}', undefined)).toEqual({ A: '4', B: 'YES', C: 'NO' });
    expect(() => collectKeyValueOrJson('{"A": ', undefined)).toThrow('JSON');
    expect(() => collectKeyValueOrJson('{"A": [1]}', undefined)).toThrow('the value of A');
  });
});
