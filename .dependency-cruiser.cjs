/**
 * Dependencies point one way, as the README's data-flow picture draws them:
 * weights, tokenizer, chat, sampling, devices and engine import no sibling; FFI lives in engine/ alone,
 * argv and exit codes in cli/ alone.
 */
const siblings =
  'weights|convert|engine|tokenizer|chat|sampling|generation|models|devices|download|hub|inventory|setup|load|bench|verify|machine|doctor';
const only = (name, allowed) => ({
  name: `${name}-imports`,
  severity: 'error',
  comment: `src/${name} may import only itself, errors.ts${allowed.length ? `, ${allowed.join(', ')}` : ''}`,
  from: { path: `^src/${name}/`, pathNot: '\\.test\\.ts$' },
  to: {
    path: `^src/`,
    pathNot: `^src/(${[name, ...allowed].join('|')})/|^src/(errors|options|cache-folder|file-system)\\.ts$`,
  },
});

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    only('weights', []),
    only('tokenizer', []),
    only('chat', []),
    only('sampling', []),
    only('devices', []),
    only('engine', []),
    only('load', []),
    only('verify', ['model']),
    only('bench', ['model', 'models', 'convert', 'devices', 'load', 'sampling']),
    only('convert', ['weights']),
    only('machine', ['devices', 'engine']),
    only('download', []),
    only('hub', ['download']),
    only('setup', ['download', 'engine']),
    only('generation', ['engine', 'sampling']),
    only('models', ['weights', 'convert', 'tokenizer', 'download', 'hub']),
    only('inventory', ['model', 'models', 'hub', 'weights', 'convert', 'download', 'engine']),
    {
      name: 'generation-sees-the-engine-interface-only',
      severity: 'error',
      from: { path: '^src/generation/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/engine/', pathNot: '^src/engine/engine\\.ts$' },
    },
    {
      name: 'ffi-in-engine-only',
      severity: 'error',
      // pdh.ts has no model to run: Windows' counters have no other interface that is quick.
      from: { path: '^src/', pathNot: '^src/(engine/|load/windows/pdh\\.ts$)' },
      to: { path: 'node_modules/koffi' },
    },
    {
      name: 'nothing-imports-the-cli',
      severity: 'error',
      from: { path: `^src/(${siblings}|[^/]+\\.ts$)`, pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: '\\.(test|d)\\.ts$|^src/index\\.ts$|-worker\\.ts$' },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
