/**
 * Writes a Windows x64 DLL without code, whose exports lead to those of other DLLs (forwarders). Wine 8 has no
 * bcryptprimitives.dll, which programs in Go and Rust (esbuild, rollup: what vitest is built on) take random numbers
 * from. Source of the layout: Microsoft's "PE Format" (PE32+ headers, export directory table).
 */
import { Buffer } from 'node:buffer';

const FILE_ALIGNMENT = 0x200;
const SECTION_ADDRESS = 0x1000;
const PE_OFFSET = 0x40;
const OPTIONAL_HEADER_BYTES = 240;

/** `forwarders`: exported name -> `library.name`. */
export function forwarderDll(dllName, forwarders) {
  const names = Object.keys(forwarders).sort();
  const section = exportSection(dllName, names, forwarders);
  const image = Buffer.alloc(FILE_ALIGNMENT + Math.ceil(section.length / FILE_ALIGNMENT) * FILE_ALIGNMENT);
  image.write('MZ', 0, 'latin1');
  image.writeUInt32LE(PE_OFFSET, 0x3c);
  image.write('PE\0\0', PE_OFFSET, 'latin1');
  const coff = PE_OFFSET + 4;
  image.writeUInt16LE(0x8664, coff); // x64
  image.writeUInt16LE(1, coff + 2); // sections
  image.writeUInt16LE(OPTIONAL_HEADER_BYTES, coff + 16);
  image.writeUInt16LE(0x2022, coff + 18); // executable image, large addresses, DLL
  const optional = coff + 20;
  image.writeUInt16LE(0x20b, optional); // PE32+
  image.writeUInt32LE(image.length - FILE_ALIGNMENT, optional + 8); // initialised data
  image.writeBigUInt64LE(0x180000000n, optional + 24); // preferred address
  image.writeUInt32LE(SECTION_ADDRESS, optional + 32); // section alignment
  image.writeUInt32LE(FILE_ALIGNMENT, optional + 36);
  image.writeUInt16LE(6, optional + 40); // operating system 6.0
  image.writeUInt16LE(6, optional + 48); // subsystem 6.0
  image.writeUInt32LE(2 * SECTION_ADDRESS, optional + 56); // size of the image
  image.writeUInt32LE(FILE_ALIGNMENT, optional + 60); // size of the headers
  image.writeUInt16LE(3, optional + 68); // subsystem: console
  image.writeUInt16LE(0x160, optional + 70); // high entropy, dynamic base, no execution of data
  for (const offset of [72, 88]) image.writeBigUInt64LE(0x100000n, optional + offset); // stack and heap reserved
  for (const offset of [80, 96]) image.writeBigUInt64LE(0x1000n, optional + offset); // and committed
  image.writeUInt32LE(16, optional + 108); // data directories, of which the first is the exports'
  image.writeUInt32LE(SECTION_ADDRESS, optional + 112);
  image.writeUInt32LE(section.length, optional + 116);
  const header = optional + OPTIONAL_HEADER_BYTES;
  image.write('.rdata', header, 'latin1');
  image.writeUInt32LE(section.length, header + 8);
  image.writeUInt32LE(SECTION_ADDRESS, header + 12);
  image.writeUInt32LE(image.length - FILE_ALIGNMENT, header + 16);
  image.writeUInt32LE(FILE_ALIGNMENT, header + 20);
  image.writeUInt32LE(0x40000040, header + 36); // initialised data, readable
  section.copy(image, FILE_ALIGNMENT);
  return image;
}

function exportSection(dllName, names, forwarders) {
  const DIRECTORY_BYTES = 40;
  const addresses = DIRECTORY_BYTES;
  const namePointers = addresses + 4 * names.length;
  const ordinals = namePointers + 4 * names.length;
  let text = ordinals + 2 * names.length;
  const strings = [dllName, ...names, ...names.map((name) => forwarders[name])].map((string) => {
    const at = text;
    text += string.length + 1;
    return { at, string };
  });
  const section = Buffer.alloc(text);
  for (const { at, string } of strings) section.write(string, at, 'latin1');
  const address = (index) => SECTION_ADDRESS + strings[index].at;
  section.writeUInt32LE(address(0), 12);
  section.writeUInt32LE(1, 16); // first ordinal
  section.writeUInt32LE(names.length, 20);
  section.writeUInt32LE(names.length, 24);
  section.writeUInt32LE(SECTION_ADDRESS + addresses, 28);
  section.writeUInt32LE(SECTION_ADDRESS + namePointers, 32);
  section.writeUInt32LE(SECTION_ADDRESS + ordinals, 36);
  names.forEach((_, index) => {
    // An address within the export directory is that of a forwarder's text.
    section.writeUInt32LE(address(1 + names.length + index), addresses + 4 * index);
    section.writeUInt32LE(address(1 + index), namePointers + 4 * index);
    section.writeUInt16LE(index, ordinals + 2 * index);
  });
  return section;
}
