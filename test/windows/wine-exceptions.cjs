/**
 * Preloaded (`--require`) into each Node.js process under Wine: lets C++ exceptions pass on koffi's stacks.
 *
 * Native calls run on stacks of koffi's own. Wine 8 keeps a list of exception handlers for each thread, as 32-bit
 * Windows does, and calls those whose address is below the stack pointer before any of the frames in between: on a
 * stack that lies above the thread's own it takes the thread's outermost handler first, and an exception that the
 * runtime would have caught ends the process. Windows x64 has no such list, so here it is emptied.
 */
const { stat } = require('node:fs');
const koffi = require('koffi');

const THREAD_BASIC_INFORMATION = 0;
const SNAPSHOT_OF_THREADS = 4;
const THREAD_QUERY_INFORMATION = 0x40;
const END_OF_LIST = 0xffffffffffffffffn;

koffi.config({ async_stack_size: 8 * 2 ** 20, resident_async_pools: 2 }); // as aipc does, which comes too late after this
const kernel32 = koffi.load('kernel32.dll');
const ntdll = koffi.load('ntdll.dll');
const ENTRY = koffi.struct('THREADENTRY32', {
  size: 'uint32_t',
  usage: 'uint32_t',
  thread: 'uint32_t',
  process: 'uint32_t',
  basePriority: 'int32_t',
  deltaPriority: 'int32_t',
  flags: 'uint32_t',
});
const snapshotOf = kernel32.func('intptr_t __stdcall CreateToolhelp32Snapshot(uint32_t flags, uint32_t process)');
const first = kernel32.func('bool __stdcall Thread32First(intptr_t snapshot, _Inout_ THREADENTRY32 *entry)');
const next = kernel32.func('bool __stdcall Thread32Next(intptr_t snapshot, _Inout_ THREADENTRY32 *entry)');
const open = kernel32.func('intptr_t __stdcall OpenThread(uint32_t access, bool inherit, uint32_t thread)');
const close = kernel32.func('bool __stdcall CloseHandle(intptr_t handle)');
const query = ntdll.func(
  'int32_t __stdcall NtQueryInformationThread(intptr_t thread, int kind, void *out, uint32_t bytes, void *written)',
);

/** Empties the list of every thread of this process: the main one and libuv's, which are there by now. */
function emptyHandlerLists() {
  const snapshot = snapshotOf(SNAPSHOT_OF_THREADS, 0);
  const entry = { size: koffi.sizeof(ENTRY) };
  for (let found = first(snapshot, entry); found; found = next(snapshot, entry)) {
    if (entry.process !== process.pid) continue;
    const handle = open(THREAD_QUERY_INFORMATION, false, entry.thread);
    if (Number(handle) === 0) continue; // it has ended
    const information = new BigUint64Array(6); // exit status, address of the TEB, ...
    const status = query(handle, THREAD_BASIC_INFORMATION, information, information.byteLength, null);
    close(handle);
    if (status !== 0) throw new Error(`NtQueryInformationThread gave ${status}.`);
    koffi.encode(information[1], 'uint64_t', END_OF_LIST); // NT_TIB.ExceptionList is the TEB's first field
  }
  close(snapshot);
}

stat('.', () => undefined); // libuv's threads start with the first work for them
emptyHandlerLists();
