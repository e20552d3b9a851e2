import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { driverVersionName, missingNpuRemedy, refuseOldNpuDriver } from './npu-driver.js';

describe('missingNpuRemedy', () => {
  it('points to the driver on Windows, and says where there are no NPUs', () => {
    expect(missingNpuRemedy('win32')).toMatch(/Device Manager.*intel-npu-driver-windows/);
    expect(missingNpuRemedy('darwin')).toMatch(/Windows and Linux only/);
  });

  it('says on Linux whether the device is missing, its driver, or neither', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'aipc-npu-driver-'));
    const put = async (file: string, text = ''): Promise<void> => {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true });
      await writeFile(path.join(root, file), text);
    };
    try {
      expect(missingNpuRemedy('linux', root)).toMatch(/no Intel NPU.*Core Ultra/);
      await put('sys/bus/pci/devices/0000:00:0b.0/vendor', '0x8086');
      await put('sys/bus/pci/devices/0000:00:0b.0/class', '0x120000');
      expect(missingNpuRemedy('linux', root)).toMatch(/intel_vpu.*intel-level-zero-npu/);
      await put('dev/accel/accel0');
      for (const name of ['libze_loader.so.1', 'libze_intel_npu.so.1', 'libnpu_driver_compiler.so']) {
        await put(`usr/lib64/${name}`);
      }
      expect(missingNpuRemedy('linux', root)).toMatch(/dmesg/);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});

describe('refuseOldNpuDriver', () => {
  it.each<[NodeJS.Platform, number, string | undefined]>([
    ['win32', 1_004_778, '32.0.100.4778'],
    ['win32', 1688, undefined],
    ['linux', 1_738_334_590, 'of 2025-01-31'],
    ['linux', 17, undefined],
    ['darwin', 1_004_778, undefined],
  ])('reads %s %d as %s', (platform, number, name) => {
    expect(driverVersionName(platform, number)).toBe(name);
  });

  it.each<[NodeJS.Platform, string, RegExp]>([
    ['win32', '1002540', /32\.0\.100\.2540 is too old.*32\.0\.100\.3104 or newer.*intel-npu-driver-windows/],
    ['linux', '1716900000', /of 2024-05-28 is too old.*1\.13\.0 or newer.*linux-npu-driver\/releases/],
  ])('refuses %s %s', (platform, number, message) => {
    expect(() => refuseOldNpuDriver(platform, number)).toThrow(
      expect.objectContaining({
        code: 'RUNTIME_INCOMPATIBLE',
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });

  it.each<[NodeJS.Platform, string]>([
    ['win32', '1003104'],
    ['win32', '1004778'],
    ['linux', '1738334590'],
    ['win32', '1688'], // of no known kind: not to be judged
    ['linux', 'unknown'],
  ])('lets %s %s pass', (platform, number) => {
    expect(() => refuseOldNpuDriver(platform, number)).not.toThrow();
  });
});
