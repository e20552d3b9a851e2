/**
 * Of which type the elements of a layer's outputs are, by those of its inputs, as the runtime works it out: the file's
 * own words about it are not read by it.
 * Source: OpenVINO's operation specifications.
 */
import type { IrLayer } from './ir-xml.js';

const TRUTHS: ReadonlySet<string> = new Set([
  ...['Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual', 'IsNaN'],
  ...['LogicalAnd', 'LogicalNot', 'LogicalOr', 'LogicalXor'],
]);

/** By the order of the outputs; '' where it is not known. Types are named as in the file: `i64`, `f32`. */
export function elementTypesOf({ type, data, outputs }: IrLayer, inputs: readonly string[]): readonly string[] {
  const [first = '', second = ''] = inputs;
  const every = (elementType: string): readonly string[] => outputs.map(() => elementType);
  if (TRUTHS.has(type)) return every('boolean');
  switch (type) {
    case 'Const':
    case 'Parameter':
      return every(data['element_type'] ?? '');
    case 'Convert':
      return every(data['destination_type'] ?? '');
    case 'ConvertLike':
    case 'Select':
      return every(second);
    case 'ReadValue':
      return every(data['variable_type'] ?? first);
    case 'NonZero':
    case 'ShapeOf':
      return every(data['output_type'] ?? 'i64');
    case 'Range':
      return every(data['output_type'] ?? first);
    case 'TopK':
      return [first, data['index_element_type'] ?? 'i32'];
    default:
      return every(first);
  }
}
