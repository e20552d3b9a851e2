/** What a check says. It checks nothing. */

export type CheckStatus = 'pass' | 'warn' | 'fail';

export interface DoctorCheck {
  /** Stable, for programs: `node`, `openvino`, `inference:npu:openvino`... */
  readonly id: string;
  readonly title: string;
  readonly status: CheckStatus;
  /** What was found, in words. */
  readonly found: string;
  /** What to do; null: nothing. */
  readonly remedy: string | null;
}

export function pass(id: string, title: string, found: string): DoctorCheck {
  return { id, title, status: 'pass', found, remedy: null };
}

export function warn(id: string, title: string, found: string, remedy: string | null): DoctorCheck {
  return { id, title, status: 'warn', found, remedy };
}

export function fail(id: string, title: string, found: string, remedy: string): DoctorCheck {
  return { id, title, status: 'fail', found, remedy };
}
