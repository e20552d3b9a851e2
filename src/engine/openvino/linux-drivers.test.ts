import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasIntelDevice, linuxDriverAdvice } from './linux-drivers.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'aipc-drivers-'));
});
afterEach(() => rm(root, { recursive: true }));

async function put(file: string, text = ''): Promise<string> {
  const full = path.join(root, file);
  await mkdir(path.dirname(full), { recursive: true });
  await writeFile(full, text);
  return full;
}

async function plugIn(slot: string, vendor: string, pciClass: string): Promise<void> {
  await put(`sys/bus/pci/devices/${slot}/vendor`, `${vendor}\n`);
  await put(`sys/bus/pci/devices/${slot}/class`, `${pciClass}\n`);
}

describe('linuxDriverAdvice', () => {
  it('is silent on a machine without an Intel GPU or NPU', async () => {
    await plugIn('0000:01:00.0', '0x10de', '0x030000');
    await plugIn('0000:00:1f.3', '0x8086', '0x040300');
    expect(linuxDriverAdvice(root)).toEqual([]);
  });

  it('names the kernel driver and the packages for an NPU that nothing was installed for', async () => {
    await plugIn('0000:00:0b.0', '0x8086', '0x120000');
    expect(linuxDriverAdvice(root)).toEqual([
      expect.stringMatching(/^Intel NPU: no dev\/accel.*intel_vpu.*intel-level-zero-npu/u) as string,
    ]);
  });

  it.each([
    ['0x643e', '1.13.0 or newer for Lunar Lake'],
    ['0xb03e', '1.28.0 or newer for Panther Lake'],
  ])('names the release for the NPU %s', async (device, release) => {
    await plugIn('0000:00:0b.0', '0x8086', '0x120000');
    await put('sys/bus/pci/devices/0000:00:0b.0/device', `${device}\n`);
    expect(linuxDriverAdvice(root)).toEqual([expect.stringContaining(release) as string]);
  });

  it('asks for the compiler too', async () => {
    await plugIn('0000:00:0b.0', '0x8086', '0x120000');
    await put('dev/accel/accel0');
    for (const name of ['libze_loader.so.1', 'libze_intel_npu.so.1']) await put(`usr/lib/x86_64-linux-gnu/${name}`);
    expect(linuxDriverAdvice(root)).toEqual([expect.stringContaining('intel-driver-compiler-npu') as string]);
  });

  it('speaks of the kinds that it is asked about', async () => {
    await plugIn('0000:00:02.0', '0x8086', '0x030000');
    await plugIn('0000:00:0b.0', '0x8086', '0x120000');
    expect(linuxDriverAdvice(root)).toHaveLength(2);
    expect(linuxDriverAdvice(root, ['npu'])).toEqual([expect.stringMatching(/^Intel NPU/u) as string]);
    expect([hasIntelDevice('npu', root), hasIntelDevice('npu', path.join(root, 'sys'))]).toEqual([true, false]);
  });

  it('names the packages for a GPU that the kernel drives', async () => {
    await plugIn('0000:00:02.0', '0x8086', '0x030000');
    await put('dev/dri/renderD128');
    expect(linuxDriverAdvice(root)).toEqual([
      expect.stringMatching(/^Intel GPU: install intel-opencl-icd, ocl-icd-libopencl1/u) as string,
    ]);
  });

  it('is silent where all is there', async () => {
    await plugIn('0000:00:02.0', '0x8086', '0x030000');
    await plugIn('0000:00:0b.0', '0x8086', '0x120000');
    for (const file of ['dev/dri/renderD128', 'dev/accel/accel0']) await put(file);
    const libraries = ['libOpenCL.so.1', 'intel-opencl/libigdrcl.so', 'libze_loader.so.1', 'libze_intel_npu.so.1'];
    for (const name of [...libraries, 'libnpu_driver_compiler.so']) await put(`usr/lib/x86_64-linux-gnu/${name}`);
    expect(linuxDriverAdvice(root)).toEqual([]);
  });

  it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
    'names the group for a user who may not use the device [needs to run as a user who is not root]',
    async () => {
      await plugIn('0000:00:02.0', '0x8086', '0x030000');
      for (const name of ['libOpenCL.so.1', 'libigdrcl.so']) await put(`usr/lib64/${name}`);
      await chmod(await put('dev/dri/renderD128'), 0o000);
      expect(linuxDriverAdvice(root)).toEqual([expect.stringContaining('usermod -aG render') as string]);
    },
  );
});
