/** For tests: a disk of one megabyte, mounted in a namespace of its own, so that nobody else sees it. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const MOUNT = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none'] as const;

/** Whether this machine lets us: Linux, with user namespaces or as root. */
export function canMountSmallDisk(): boolean {
  try {
    execFileSync('unshare', ['-rm', ...MOUNT, tmpdir()], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a module's source in Node.js, with the small disk mounted at a new folder in `folder`: process.argv[1] is its
 * path, process.argv[2] the text given. Returns what it prints.
 */
export async function runOnSmallDisk(script: string, folder: string, text: string): Promise<string> {
  const disk = path.join(folder, 'small-disk');
  await mkdir(disk);
  const shell = `${MOUNT.join(' ')} "$0" && exec "$@"`;
  const node = [process.execPath, '--input-type=module', '-e', script, disk, text];
  return (await promisify(execFile)('unshare', ['-rm', 'sh', '-c', shell, disk, ...node])).stdout;
}
