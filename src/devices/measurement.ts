/** Speed that `aipc bench` measured on this very machine: the type that recommendations read. It measures nothing. */
import type { DeviceId } from './device.js';
import type { ProviderName } from './provider.js';

export interface Measurement {
  /** Id of the model, as ModelIdentity has it. */
  readonly modelId: string;
  readonly deviceId: DeviceId;
  readonly provider: ProviderName;
  readonly weightFormat: string;
  readonly promptTokens: number;
  readonly decodeTokensPerSecond: number;
  readonly prefillTokensPerSecond: number;
  readonly timeToFirstTokenMs: number;
}
