/** Writes an IrGraph as the XML of an OpenVINO IR, version 11. */
import type { IrGraph, IrLayer } from './ir-graph.js';

/** Runtime information: nested names, `value` at the leaves. */
export interface RuntimeInfo {
  readonly [name: string]: string | RuntimeInfo;
}

export function irXml(graph: IrGraph, runtimeInfo: RuntimeInfo): string {
  const edges = graph.layers.flatMap(({ inputs }, layer) =>
    inputs.map(
      (input, port) =>
        `<edge from-layer="${input.layer}" from-port="${input.port}" to-layer="${layer}" to-port="${port}"/>`,
    ),
  );
  return [
    '<?xml version="1.0"?>',
    '<net name="Model0" version="11">',
    '<layers>',
    ...graph.layers.map(layerXml),
    '</layers>',
    '<edges>',
    ...edges,
    '</edges>',
    '<rt_info>',
    ...infoXml(runtimeInfo),
    '</rt_info>',
    '</net>',
    '',
  ].join('\n');
}

function layerXml(layer: IrLayer, id: number): string {
  const parts = [
    `<layer id="${id}" name="${escapeXml(layer.name)}" type="${escapeXml(layer.type)}" version="${layer.version}">`,
  ];
  const attributes = Object.entries(layer.attributes).map(([name, value]) => ` ${name}="${escapeXml(value)}"`);
  if (attributes.length > 0) parts.push(`<data${attributes.join('')}/>`);
  if (layer.isDecompression) parts.push('<rt_info><attribute name="decompression" version="0"/></rt_info>');
  if (layer.inputs.length > 0) {
    parts.push('<input>', ...layer.inputs.map((_, port) => `<port id="${port}"/>`), '</input>');
  }
  if (layer.outputs.length > 0) {
    const ports = layer.outputs.map(({ precision, tensorName }, index) => {
      const names = tensorName === null ? '' : ` names="${escapeXml(tensorName)}"`;
      return `<port id="${layer.inputs.length + index}" precision="${precision}"${names}/>`;
    });
    parts.push('<output>', ...ports, '</output>');
  }
  return `${parts.join('')}</layer>`;
}

function infoXml(info: RuntimeInfo): string[] {
  return Object.entries(info).flatMap(([name, value]) =>
    typeof value === 'string'
      ? [`<${name} value="${escapeXml(value)}"/>`]
      : [`<${name}>`, ...infoXml(value), `</${name}>`],
  );
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Characters that XML 1.0 cannot hold at all, escaped or not, become U+FFFD; line breaks and tabs are kept by escapes. */
export function escapeXml(text: string): string {
  return text
    .replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character)
    .replace(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD');
}
