/**
 * CPU, GPUs and NPUs as Windows tells of them. One PowerShell process answers everything in JSON; nothing that it gives
 * depends on the system's language: numbers, identifiers and registry values, no translated titles.
 *
 * Sources: Win32_Processor and Win32_PnPEntity (CIM); HKLM\SOFTWARE\Microsoft\DirectX, where DirectX keeps each adapter's
 * LUID and memory; LocationInformation in HKLM\SYSTEM\CurrentControlSet\Enum, which ends in `(bus,device,function)`.
 */
import { instructionSetsOf } from './cpu-models.js';
import type { CpuDevice, Fact, FoundAccelerator, Probe } from './device.js';
import { pciGeneration, pciVendor, VENDOR_NAMES } from './pci-ids.js';

/** Each part is asked for by itself, so that one that fails takes nothing else with it. */
export const WINDOWS_PROBE_SCRIPT = String.raw`
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
function Read-Part([scriptblock] $read) {
  try { @{ found = @(& $read) } } catch { @{ failed = $_.Exception.Message } }
}
$answer = @{
  processors = Read-Part { Get-CimInstance Win32_Processor |
    Select-Object Name, NumberOfCores, NumberOfLogicalProcessors }
  adapters = Read-Part { Get-ChildItem 'HKLM:\SOFTWARE\Microsoft\DirectX' | Get-ItemProperty |
    Where-Object { $_.AdapterLuid } |
    Select-Object Description, VendorId, DeviceId, AdapterLuid, DedicatedVideoMemory, SharedSystemMemory }
  devices = Read-Part { Get-CimInstance Win32_PnPEntity -Filter "PNPClass='Display' OR PNPClass='ComputeAccelerator'" |
    ForEach-Object {
      $key = Get-ItemProperty "HKLM:\SYSTEM\CurrentControlSet\Enum\$($_.PNPDeviceID)"
      $driver = Get-ItemProperty "HKLM:\SYSTEM\CurrentControlSet\Control\Class\$($key.Driver)" -ErrorAction SilentlyContinue
      @{ class = $_.PNPClass; name = $_.Name; id = $_.PNPDeviceID; service = $_.Service
         error = $_.ConfigManagerErrorCode; location = $key.LocationInformation; version = $driver.DriverVersion }
    } }
}
$answer | ConvertTo-Json -Depth 5 -Compress
`;

interface Part<T> {
  readonly found?: readonly T[] | T | null;
  readonly failed?: string;
}

interface Answer {
  readonly processors?: Part<{ readonly Name?: string; readonly NumberOfCores?: number }>;
  readonly adapters?: Part<DxAdapter>;
  readonly devices?: Part<PnpDevice>;
}

interface DxAdapter {
  readonly Description?: string;
  readonly VendorId?: number;
  readonly DeviceId?: number;
  readonly AdapterLuid?: number | string;
  readonly DedicatedVideoMemory?: number;
}

interface PnpDevice {
  readonly class?: string;
  readonly name?: string;
  readonly id?: string;
  readonly service?: string;
  readonly error?: number;
  readonly location?: string;
  readonly version?: string;
}

export interface WindowsFacts {
  /** %PROCESSOR_IDENTIFIER%. */
  readonly processorIdentifier: string;
  /** As Node.js names it, for when PowerShell does not answer. */
  readonly cpuName: string;
  readonly logicalProcessors: number;
}

/** `json`: what the script wrote, or why it wrote nothing. */
export function parseWindowsProbe(json: Fact<string>, facts: WindowsFacts): Probe {
  const answer = typeof json === 'string' ? parseAnswer(json) : json;
  const { processors, adapters, devices }: Answer = 'notAvailable' in answer ? {} : answer;
  const problem = (name: string, part: Part<unknown> | undefined): readonly string[] =>
    part?.failed === undefined ? [] : [`${name}: not available (${part.failed})`];
  return {
    cpu: describeCpu(listOf(processors), facts),
    accelerators: describeAccelerators(listOf(devices), listOf(adapters)),
    notAvailable: [
      ...('notAvailable' in answer ? [`GPUs and NPUs: not available (${answer.notAvailable})`] : []),
      ...problem('the number of cores', processors),
      ...problem("GPUs' LUIDs and memory", adapters),
      ...problem('GPUs and NPUs', devices),
    ],
  };
}

function parseAnswer(json: string): Answer | { readonly notAvailable: string } {
  try {
    // Windows PowerShell 5.1 may write a byte order mark.
    const parsed: unknown = JSON.parse(json.replace(/^\uFEFF/u, ''));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch {
    // Said below, with what was found.
  }
  return { notAvailable: `PowerShell answered '${json.slice(0, 80)}'` };
}

/** ConvertTo-Json turns a list of one into its element, and an empty one into null. */
function listOf<T>(part: Part<T> | undefined): readonly T[] {
  const found = part?.found;
  if (found === undefined || found === null) return [];
  return Array.isArray(found) ? (found as readonly T[]) : [found as T];
}

function describeCpu(
  processors: readonly { readonly Name?: string; readonly NumberOfCores?: number }[],
  { processorIdentifier, cpuName, logicalProcessors }: WindowsFacts,
): CpuDevice {
  const name = (processors[0]?.Name ?? cpuName).trim();
  const cores = processors.reduce((sum, { NumberOfCores = 0 }) => sum + NumberOfCores, 0);
  return {
    id: 'cpu',
    name,
    vendor: /intel/iu.test(name)
      ? 'intel'
      : /amd/iu.test(name)
        ? 'amd'
        : /snapdragon|qualcomm/iu.test(name)
          ? 'qualcomm'
          : 'other',
    logicalProcessors,
    physicalCores: cores > 0 ? cores : { notAvailable: 'Windows did not tell it' },
    cores: { notAvailable: 'Windows tells the kinds of cores to native programs alone' },
    instructionSets: instructionSetsOf(processorIdentifier, name) ?? {
      notAvailable: `not known of '${processorIdentifier}'`,
    },
  };
}

function describeAccelerators(
  devices: readonly PnpDevice[],
  adapters: readonly DxAdapter[],
): readonly FoundAccelerator[] {
  const free = [...adapters];
  /** Two cards of one model are told apart by their order alone. */
  const take = (vendor: string, device: string): DxAdapter | undefined => {
    const index = free.findIndex(({ VendorId, DeviceId }) => hexOf(VendorId) === vendor && hexOf(DeviceId) === device);
    return index === -1 ? undefined : free.splice(index, 1)[0];
  };
  return devices.flatMap((device): readonly FoundAccelerator[] => {
    const kind = /^ComputeAccelerator$/iu.test(device.class ?? '') ? 'npu' : 'gpu';
    const ids = idsOf(device.id ?? '');
    if (kind === 'gpu' && ids === null) return []; // remote desktops and other displays without hardware
    const adapter = ids === null ? undefined : take(ids.vendor, ids.device);
    const generation = ids === null ? undefined : pciGeneration(kind, ids.vendor, ids.device);
    const vendor = ids === null ? 'other' : pciVendor(ids.vendor);
    const dedicated = adapter?.DedicatedVideoMemory;
    return [
      {
        kind,
        name: device.name ?? adapter?.Description ?? `${VENDOR_NAMES[vendor]} ${kind.toUpperCase()}`,
        vendor,
        generation: generation?.name ?? (vendor === 'qualcomm' && kind === 'npu' ? 'Hexagon' : null),
        isIntegrated: generation?.isIntegrated ?? integratedOf(kind, vendor, dedicated),
        pciIds: ids !== null && ids.isPci ? { vendor: ids.vendor, device: ids.device } : null,
        pciAddress: addressOf(device.location ?? ''),
        luid: luidOf(adapter?.AdapterLuid),
        driver: {
          name: device.service ?? { notAvailable: 'Windows has no driver for it' },
          version: device.version ?? { notAvailable: 'Windows has no driver for it' },
        },
        dedicatedMemoryBytes: dedicated ?? { notAvailable: 'DirectX does not list this device' },
      },
    ];
  });
}

/** From here on a GPU of AMD has memory of its own; integrated ones get 512 MB, some up to 2 GB, from the firmware. */
const LEAST_DISCRETE_BYTES = 3 * 2 ** 30;

function integratedOf(kind: 'gpu' | 'npu', vendor: string, dedicatedBytes: number | undefined): boolean | null {
  if (kind === 'npu' || vendor === 'qualcomm') return true;
  if (vendor === 'nvidia') return false;
  return dedicatedBytes === undefined ? null : dedicatedBytes < LEAST_DISCRETE_BYTES;
}

function idsOf(pnpId: string): { readonly vendor: string; readonly device: string; readonly isPci: boolean } | null {
  const pci = /^PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})/iu.exec(pnpId);
  if (pci !== null) return { vendor: lower(pci[1]), device: lower(pci[2]), isPci: true };
  // Arm systems: ACPI\VEN_QCOM&DEV_0C36 or ACPI\QCOM0C36
  const acpi = /^ACPI\\(?:VEN_)?QCOM(?:&DEV_)?([0-9A-F]{4})/iu.exec(pnpId);
  return acpi === null ? null : { vendor: '5143', device: lower(acpi[1]), isPci: false };
}

function lower(text: string | undefined): string {
  return (text ?? '').toLowerCase();
}

function hexOf(id: number | undefined): string | undefined {
  return id?.toString(16).padStart(4, '0');
}

/** `@System32\drivers\pci.sys,#65536;PCI bus %1, device %2, function %3;(0,2,0)`: the numbers, decimal, come last. */
function addressOf(location: string): string | null {
  const found = /\((\d+),(\d+),(\d+)\)\s*$/u.exec(location);
  if (found === null) return null;
  const [, bus, device, fn] = found.map(Number);
  const hex = (value: number | undefined): string => (value ?? 0).toString(16).padStart(2, '0');
  return `0000:${hex(bus)}:${hex(device)}.${fn ?? 0}`;
}

function luidOf(luid: number | string | undefined): string | null {
  if (luid === undefined) return null;
  return BigInt(luid).toString(16).padStart(16, '0');
}

/** As `powershell -EncodedCommand` takes it. */
export function encodeScript(script: string): string {
  return Buffer.from(script, 'utf16le').toString('base64');
}
