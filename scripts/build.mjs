// Compiles src/ and test/ into dist/, and assembly/ into WebAssembly beside the module that loads it; from nothing each
// time, so that no test of a deleted file lives on.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const compile = (program, ...args) => {
  try {
    execFileSync(process.execPath, [program, ...args], { stdio: 'inherit' });
  } catch {
    process.exitCode = 1; // the compiler has printed what is wrong
  }
};

rmSync('dist', { recursive: true, force: true });
compile(require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json');
// No runtime and no memory management: the caller lays the memory out.
compile(
  path.join(path.dirname(require.resolve('assemblyscript/package.json')), 'bin', 'asc.js'),
  'assembly/quantise.ts',
  ...['--outFile', 'dist/src/convert/quantise-kernels.wasm'],
  ...['--runtime', 'stub', '--enable', 'simd', '-O3', '--noAssert', '--memoryBase', '0'],
);
