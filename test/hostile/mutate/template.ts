/** A chat template: pieces of it cut, repeated and nested, and what templates of published attacks contain. */
import { mutateBytes, type Mutated } from './bytes.js';
import type { Random } from '../random.js';

/** Time, memory, output, recursion, and ways to what lies outside of the sandbox. */
const SNIPPETS: readonly string[] = [
  '{% for i in range(1000000000) %}x{% endfor %}',
  '{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}',
  '{% for i in range(99999) %}{% for j in range(99999) %}{% set y = i * j %}{% endfor %}{% endfor %}',
  '{% set ns = namespace(s="x") %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}',
  '{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}',
  '{{ "x" * 1000000000 }}',
  '{{ ("x" * 65536) | replace("x", "x" * 65536) }}',
  '{{ "%999999999d" % 1 }}',
  '{{ messages | tojson(indent=1000000000) }}',
  '{{ "" | indent(1000000000) }}',
  '{{ range(-9007199254740991, 9007199254740991) }}',
  '{{ range(0, 1, 0) }}',
  '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
  '{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}',
  '{{ self.__init__.__globals__.__builtins__.__import__("os").popen("id").read() }}',
  '{{ cycler.__init__.__globals__.os.popen("id").read() }}',
  '{{ messages.constructor.constructor("return process")().exit(1) }}',
  '{{ "".constructor.constructor("return this")() }}',
  '{{ [].__proto__.polluted }}',
  '{% set x = messages.__proto__ %}{% set x.polluted = 1 %}',
  '{% set ns = namespace() %}{% set ns.__proto__ = 1 %}{% set ns.constructor = 1 %}{{ ns.constructor }}',
  '{{ messages[0].__proto__.constructor }}{{ messages[0]["constructor"]["constructor"] }}',
  '{{ raise_exception("no") }}',
  '{{ raise_exception(messages) }}',
  '{{ strftime_now("%Y" * 100000) }}',
  '{% include "/etc/passwd" %}',
  '{% import "x" as y %}',
  '{{ undefined_name.attribute.other }}',
  '{{ messages[99999999999].content }}',
  '{{ messages[-1]["content"][::-1] }}',
  '{{ ("a" * 30) | replace("a", "aa") | upper | title | trim }}',
  '{% for m in messages %}{{ loop.index0 / 0 }}{{ loop.__proto__ }}{% endfor %}',
  '\uFDD0\uFDD1',
  '{{ bos_token * 1000000 }}',
];
const DEPTHS = [50, 2_000, 30_000];

export function mutateTemplate(random: Random, source: string): Mutated {
  switch (random.below(7)) {
    case 0:
      return mutateBytes(random, Buffer.from(source));
    case 1:
    case 2: {
      const snippet = random.pick(SNIPPETS);
      const places = [0, ...[...source.matchAll(/[%}]\}/g)].map(({ index }) => index + 2)];
      const at = random.pick(places);
      return { bytes: Buffer.from(source.slice(0, at) + snippet + source.slice(at)), what: `inserted ${snippet}` };
    }
    case 3: {
      const depth = random.pick(DEPTHS);
      const [open, close] = random.pick([
        ['{{ ' + '('.repeat(depth), ')'.repeat(depth) + ' }}'],
        ['{{ ' + '['.repeat(depth), ']'.repeat(depth) + ' }}'],
        ['{{ ' + 'not '.repeat(depth) + '1', ' }}'],
        ['{{ 1' + ' + 1'.repeat(depth), ' }}'],
        ['{{ "a"' + '|trim'.repeat(depth), ' }}'],
        ['{{ messages' + '[0]'.repeat(depth), ' }}'],
        ['{% if true %}'.repeat(depth), '{% endif %}'.repeat(depth)],
        ['{% for a in [1] %}'.repeat(depth), '{% endfor %}'.repeat(depth)],
        ['{# '.repeat(depth), ''],
        ['{{'.repeat(depth), '}}'.repeat(depth)],
      ] as const);
      return { bytes: Buffer.from(open + close), what: `${open.slice(0, 20)}... nested ${depth} deep` };
    }
    case 4: {
      // One of its words for another.
      const words = [...source.matchAll(/[\w']+|[%{}[\]().|+=~-]+/g)];
      const { 0: word, index } = random.pick(words);
      const { 0: other } = random.pick(words);
      return {
        bytes: Buffer.from(source.slice(0, index) + other + source.slice(index + word.length)),
        what: `'${word}' at ${index} replaced by '${other}'`,
      };
    }
    case 5: {
      const times = random.pick([2, 50, 2_000]);
      return { bytes: Buffer.from(source.repeat(times)), what: `repeated ${times} times` };
    }
    default: {
      const tags = [...source.matchAll(/\{[%{].*?[%}]\}/gs)];
      const { 0: tag, index } = random.pick(tags);
      return {
        bytes: Buffer.from(source.slice(0, index) + source.slice(index + tag.length)),
        what: `${tag.slice(0, 60)} removed`,
      };
    }
  }
}
