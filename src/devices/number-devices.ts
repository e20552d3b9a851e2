/**
 * The one index of devices: integrated GPUs before others, as OpenVINO numbers them, then by PCI address; all vendors'
 * GPUs count. A single NPU is `npu`; further ones are `npu.1`, `npu.2`.
 */
import type { DeviceId, FoundAccelerator } from './device.js';

export function numberDevices(
  found: readonly FoundAccelerator[],
): readonly (FoundAccelerator & { readonly id: Exclude<DeviceId, 'cpu'> })[] {
  const inOrder = (kind: 'gpu' | 'npu'): readonly FoundAccelerator[] =>
    found
      .filter((device) => device.kind === kind)
      .sort(
        (a, b) =>
          Number(b.isIntegrated === true) - Number(a.isIntegrated === true) ||
          (a.pciAddress ?? '~').localeCompare(b.pciAddress ?? '~', 'en'),
      );
  return [
    ...inOrder('gpu').map((device, index) => ({ ...device, id: `gpu.${index}` as const })),
    ...inOrder('npu').map((device, index) => ({
      ...device,
      id: index === 0 ? ('npu' as const) : (`npu.${index}` as const),
    })),
  ];
}
