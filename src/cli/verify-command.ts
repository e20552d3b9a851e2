/** `aipc verify`: the same tokens and perplexity on a device as on the CPU, or where they first part. */
import { Command, Option } from 'commander';
import type { LoadModelOptions } from '../model/load-options.js';
import { emulationOf, type Execution } from '../model/result.js';
import { verifyModel, type ReferenceKind, type Verification } from '../verify/verify-model.js';
import { exitCodes } from './exit.js';
import { addLoadingOptions, readLoadingOptions, type LoadingFlags } from './loading-options.js';
import { collect, parseDecimal, parseInteger } from './parse.js';
import { ProgressLine } from './progress-line.js';

/** Bumped when a field of --json changes its meaning. */
const JSON_SCHEMA_VERSION = 1;

/** As commander hands them over. */
interface VerifyFlags extends LoadingFlags {
  readonly device: string;
  readonly provider: string;
  readonly reference: ReferenceKind;
  readonly weightFormat?: NonNullable<LoadModelOptions['weightFormat']>;
  readonly prompt?: readonly string[];
  readonly newTokens?: number;
  readonly logitTolerance?: number;
  readonly perplexityTolerance?: number;
  readonly json?: true;
}

export function verifyCommand(signal: AbortSignal): Command {
  const command = new Command('verify')
    .description('whether a device computes what the CPU computes: greedy tokens and perplexity; exit code 1 if not')
    .argument('<model>', 'what aipc run takes')
    .requiredOption('--device <device>', 'the device to check: gpu, gpu.N, npu, cpu')
    .option('--provider <provider>', 'the software way to it, as for run', 'auto')
    .addOption(
      new Option(
        '--reference <kind>',
        'cpu: ONNX Runtime; same-file: the same files by OpenVINO in f32; auto: by the runtime',
      )
        .choices(['auto', 'cpu', 'same-file'])
        .default('auto'),
    )
    .addOption(new Option('--weight-format <format>', 'where aipc converts').choices(['int4', 'int8', 'fp16', 'fp32']))
    .option('--prompt <text>', 'a prompt to compare (repeatable; default: two about aipc and NPUs)', collect)
    .option('--new-tokens <n>', 'tokens to compare for each prompt (default: 48)', parseInteger)
    .option(
      '--logit-tolerance <x>',
      'margin up to which the reference counts as undecided (default: 0.5)',
      parseDecimal,
    )
    .option('--perplexity-tolerance <percent>', 'how far the perplexities may be apart (default: 2)', parseDecimal);
  return addLoadingOptions(command)
    .option('--json', 'print one JSON object')
    .action((model: string, flags: VerifyFlags) => verify(model, flags, signal));
}

async function verify(model: string, flags: VerifyFlags, signal: AbortSignal): Promise<void> {
  const { device, provider, reference, json, weightFormat, newTokens } = flags;
  const { logitTolerance, prompt, perplexityTolerance } = flags;
  const optional = {
    ...{ weightFormat, newTokens, logitTolerance },
    ...{ prompts: prompt, perplexityTolerancePercent: perplexityTolerance },
  };
  const progress = new ProgressLine();
  const verification = await verifyModel(model, {
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    ...{ device: device.toLowerCase(), provider: provider.toLowerCase(), reference },
    ...readLoadingOptions(flags),
    onProgress: progress.update,
    onWarning: (message) => process.stderr.write(`aipc: ${message}\n`),
    signal,
  }).finally(() => progress.end());
  process.stdout.write(
    json === true
      ? `${JSON.stringify({ schemaVersion: JSON_SCHEMA_VERSION, ...verification })}\n`
      : formatVerification(verification),
  );
  if (!verification.agrees) process.exitCode = exitCodes.failure;
}

function formatVerification(verification: Verification): string {
  const { answers, perplexity, tolerances, agrees, modelId, weightFormat, device, reference, referenceKind } =
    verification;
  const format = weightFormat === null ? '' : `, ${weightFormat}`;
  const emulation = emulationOf(device);
  const lines = [
    `model      ${modelId}${format}`,
    `device     ${describe(device)}`,
    ...(emulation === null ? [] : [`           emulation: the path of ${emulation.of} runs ${emulation.where}`]),
    `reference  ${describe(reference)}: ${referenceKind}`,
    ...answers.map((answer, index) => `prompt ${index + 1}   ${describeAnswer(answer, tolerances.logits)}`),
    perplexity.device === null || perplexity.differencePercent === null
      ? `perplexity ${perplexity.reference.toFixed(4)} on the reference; the device cannot score: ${perplexity.problem ?? ''}`
      : `perplexity ${perplexity.device.toFixed(4)}, reference ${perplexity.reference.toFixed(4)} ` +
        `(${signed(perplexity.differencePercent)} %, allowed ${tolerances.perplexityPercent} %)`,
    agrees ? 'the device agrees with the reference' : 'the device does NOT agree with the reference',
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function describe({ device, deviceName, runtimeVersion, provider, activationDtype, kvDtype }: Execution): string {
  return `${device}, ${deviceName}, ${runtimeVersion}, provider ${provider}, ${activationDtype}, KV cache in ${kvDtype}`;
}

function describeAnswer(answer: Verification['answers'][number], tolerance: number): string {
  const { tokens, sameTokens, largestLogitDifference, parting } = answer;
  const logits = `logits apart by ${largestLogitDifference.toPrecision(2)} at most`;
  if (parting === null) return `all ${tokens} tokens the same, ${logits}`;
  const { deviceToken, referenceToken, referenceMargin, deviceMargin, index } = parting;
  return (
    `${sameTokens} of ${tokens} tokens the same, then token ${index + 1} is ${deviceToken}, not ${referenceToken}: the reference ` +
    `prefers its own by ${referenceMargin.toPrecision(2)}${referenceMargin <= tolerance ? ' (a near-tie)' : ''}, the device by ` +
    `${deviceMargin.toPrecision(2)}; ${logits}`
  );
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(3)}`;
}
