/** File names that lead out of a folder, to devices, or nowhere. */

/** `outside` is a file beside the model folder: a case that reads it has left the folder. */
export const OUTSIDE_FILE = 'outside.bin';

export const HOSTILE_NAMES: readonly string[] = [
  ...[`../${OUTSIDE_FILE}`, `./../${OUTSIDE_FILE}`, `x/../../${OUTSIDE_FILE}`, `..\\${OUTSIDE_FILE}`],
  ...['/etc/passwd', '/dev/zero', '/dev/stdin', '/proc/self/mem', 'file:///etc/passwd', '~/.ssh/id_rsa'],
  ...['C:\\Windows\\win.ini', 'C:model.bin', '\\\\host\\share\\model.bin', '//host/share/model.bin'],
  ...['\\\\?\\C:\\x', '\\\\.\\PhysicalDrive0', 'CON', 'NUL', 'COM1.bin', 'aux.safetensors', 'model.bin:stream'],
  ...['', '.', '..', '/', 'a\0b', `model\0/../${OUTSIDE_FILE}`, '%2e%2e/x', '\u202Enib.ledom', ' ', 'x'.repeat(300)],
  ...['*/ORT_MEM_ADDR/*', '__proto__', 'constructor', `${'a/'.repeat(2000)}b`],
];
