import { expect, it } from 'vitest';
import { ELEMENT_TYPE, loadOrtApi, takePointer } from './c-api.js';
import { TransferCounter } from './transfer-counter.js';

it('counts what is in plain memory, by where the runtime says that it is', async () => {
  const api = await loadOrtApi();
  const counter = new TransferCounter(api);
  const value = takePointer((out) =>
    api.CreateTensorAsOrtValue(api.allocator, BigInt64Array.of(2n, 3n), 2, ELEMENT_TYPE.f32, out),
  );
  counter.startRun();
  counter.countInput(value, 24);
  counter.countOutput(value, 5);
  expect(counter).toMatchObject({ runs: 1, toDeviceBytes: 24, toHostBytes: 5 });
  api.ReleaseValue(value);
});
