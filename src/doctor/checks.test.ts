import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, hostname, tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkPermissions, checkRuntimes } from './device-checks.js';
import { diagnose, withoutPersonalData } from './diagnose.js';
import { judgeInference } from './inference-check.js';
import { checkMemory, checkNode } from './system-checks.js';

const at = { id: 'inference:npu:openvino', title: 'an answer' };
const answer = {
  text: 'I am the small built-in test model of aipc.',
  tokens: 9,
  ranOn: 'npu',
  deviceName: 'Intel(R) AI Boost',
  runtimeVersion: 'OpenVINO 2026.4.1',
  emulated: false,
  decodeTokensPerSecond: 20,
  seconds: 3,
};

describe('judgeInference', () => {
  it('passes an answer that begins as the CPU’s does', () => {
    const reference = 'I am the small built-in test model, and more.';
    expect(judgeInference({ ...at, reference }, { answer }).check.status).toBe('pass');
  });

  it('warns of another answer, and fails an empty one, an error and a crash', () => {
    const statuses = [
      judgeInference({ ...at, reference: 'Something else altogether, though.' }, { answer }),
      judgeInference({ ...at, reference: null }, { answer: { ...answer, text: ' ' } }),
      judgeInference({ ...at, reference: null }, { answer: { problem: 'no such device' } }),
      judgeInference({ ...at, reference: null }, { end: 'SIGSEGV', output: 'a driver’s last words' }),
    ].map(({ check }) => check);
    expect(statuses.map(({ status }) => status)).toEqual(['warn', 'fail', 'fail', 'fail']);
    expect(statuses[3]?.found).toBe('the process ended with SIGSEGV: a driver’s last words');
    expect(statuses.slice(1).every(({ remedy }) => remedy !== null)).toBe(true);
  });
});

describe('the checks', () => {
  it('judge Node.js by its version', () => {
    expect([checkNode('20.19.0', '20.19.0').status, checkNode('20.9.9', '20.19.0').status]).toEqual(['pass', 'fail']);
  });

  it('warn where Phi-3-mini does not fit', () => {
    expect(checkMemory({ memory: { totalBytes: 64e9, availableBytes: 60e9 } }).status).toBe('pass');
    expect(checkMemory({ memory: { totalBytes: 4e9, availableBytes: 1e9 } })).toMatchObject({
      status: 'warn',
      remedy: expect.stringContaining('phi-3-mini') as string,
    });
  });

  it('tell an OpenVINO that is missing from one that does not load', () => {
    const machine = { accelerators: [] } as unknown as Parameters<typeof checkRuntimes>[0];
    const status = (problem: string): string | undefined =>
      checkRuntimes(machine, [{ provider: 'openvino', runtime: null, libraryFile: null, drives: [], problem }])[1]
        ?.status;
    expect([status('not installed: npx aipc setup openvino'), status('it ended with SIGILL')]).toEqual([
      'warn',
      'fail',
    ]);
  });

  it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
    'name the group for a device that this user may not open [needs to run as a user who is not root]',
    async () => {
      const root = await mkdtemp(path.join(tmpdir(), 'aipc-doctor-'));
      try {
        await mkdir(path.join(root, 'dev/dri'), { recursive: true });
        await writeFile(path.join(root, 'dev/dri/renderD128'), '');
        expect(checkPermissions('linux', root)[0]?.status).toBe('pass');
        await chmod(path.join(root, 'dev/dri/renderD128'), 0o000);
        expect(checkPermissions('linux', root)[0]).toMatchObject({
          status: 'fail',
          remedy: expect.stringContaining('usermod -aG render') as string,
        });
      } finally {
        await rm(root, { recursive: true });
      }
    },
  );
});

describe('diagnose', () => {
  it('answers on this machine’s CPU, and its report has no name, home or host of it', async () => {
    const told: string[] = [];
    const diagnosis = await diagnose({ offline: true, onCheck: ({ id }) => told.push(id) });
    const ids = diagnosis.checks.map(({ id }) => id);
    expect(told).toEqual(ids);
    expect(ids).toEqual(
      expect.arrayContaining(['node', 'onnxruntime', 'openvino', 'memory', 'disk:aipc', 'cache', 'hub']),
    );
    const inference = diagnosis.checks.find(({ id }) => id === 'inference:cpu:cpu');
    expect(inference?.status).toBe('pass');
    const hidden = withoutPersonalData({
      ...diagnosis,
      checks: [
        ...diagnosis.checks,
        {
          id: 'x',
          title: 'x',
          status: 'pass',
          found: `${homedir()}/f ${hostname()} ${userInfo().username}`,
          remedy: null,
        },
      ],
    });
    const text = JSON.stringify(hidden);
    expect(text).not.toContain(`${homedir()}/`);
    for (const name of [hostname(), userInfo().username].filter((word) => word.length > 2)) {
      expect(text).not.toMatch(new RegExp(`(?<![\\p{L}\\p{N}])${name.replaceAll('.', '\\.')}(?![\\p{L}\\p{N}])`, 'iu'));
    }
  }, 240_000);
});
