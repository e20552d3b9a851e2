import { describe, expect, it } from 'vitest';
import { redact, redactAll, type PersonalData } from './redact.js';

const LINUX: PersonalData = { userName: 'anna', homeFolder: '/home/anna', hostName: 'annas-laptop.example.org' };
const WINDOWS: PersonalData = {
  userName: 'Anna Müller',
  homeFolder: 'C:\\Users\\Anna Müller',
  hostName: 'DESKTOP-AB12CD3',
};

describe('redact', () => {
  it.each([
    ['/home/anna/.cache/aipc is in order', '~/.cache/aipc is in order'],
    ['started by ANNA on annas-laptop', 'started by <user> on <host>'],
    ['annas-laptop.example.org refused', '<host> refused'],
    ['Annapurna stays', 'Annapurna stays'],
    ['/home/bert/x and /Users/carla/Library', '/home/<user>/x and /Users/<user>/Library'],
    ['link/ether 3c:6a:a7:12:34:56', 'link/ether <hardware address>'],
    ['GPU-1b2c3d4e-1111-2222-3333-0123456789ab', 'GPU-<unique id>'],
    ['Serial Number: C02XK0AAJGH5', 'Serial Number: <serial number>'],
    ['"serial_number":"PF2ABC34"', '"serial_number":"<serial number>"'],
    ['token hf_abcdefghijklmnop', 'token <token>'],
    ['mail anna@example.org', 'mail <address>'],
    ['http://bob:secret@proxy:3128', 'http://<user>@proxy:3128'],
  ])('%s', (text, expected) => {
    expect(redact(text, LINUX)).toBe(expected);
  });

  it.each([
    ['C:\\Users\\Anna Müller\\AppData\\Local\\aipc', '~\\AppData\\Local\\aipc'],
    ['c:/users/anna müller/x', '~/x'],
    ['{"path":"C:\\\\Users\\\\Anna Müller\\\\x"}', '{"path":"~\\\\x"}'],
    ['desktop-ab12cd3 is Anna Müller’s', '<host> is <user>’s'],
    ['D:\\Users\\other\\x', 'D:\\Users\\<user>\\x'],
  ])('on Windows: %s', (text, expected) => {
    expect(redact(text, WINDOWS)).toBe(expected);
  });

  it('keeps versions, PCI addresses and ids, which tell of no person', () => {
    const text = 'driver 32.0.100.3104 of 0000:00:0b.0 (8086:7d1d), luid 00000000000118f2, OpenVINO 2026.4.1';
    expect(redact(text, LINUX)).toBe(text);
  });

  it('goes through every depth and changes neither numbers nor keys', () => {
    const value = { anna: [{ path: '/home/anna/x', count: 3, none: null, yes: true }] };
    expect(redactAll(value, LINUX)).toEqual({ anna: [{ path: '~/x', count: 3, none: null, yes: true }] });
  });
});
