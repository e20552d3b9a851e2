/**
 * tokenizer.json's `post_processor` and tokenizer_config.json's `add_bos_token`, as far as they say whether a text
 * gets bos in front. The prompt templates of chat models write bos themselves, and aipc adds it nowhere else.
 */
import { type JsonReader } from './json-reader.js';
import { MAX_COMPONENTS } from './limits.js';

function startsWithSpecialToken(json: JsonReader): boolean {
  if (json.isNull) return false;
  const typeField = json.get('type');
  const type = typeField.string(64);
  switch (type) {
    case 'Sequence':
      return json
        .get('processors')
        .elements(MAX_COMPONENTS)
        .some((element) => {
          if (element.get('type').value === 'Sequence') throw element.malformed('a Sequence inside a Sequence');
          return startsWithSpecialToken(element);
        });
    case 'TemplateProcessing': {
      const first = json.get('single').elements(MAX_COMPONENTS)[0];
      return first !== undefined && !first.get('SpecialToken').isNull;
    }
    case 'ByteLevel':
      return false;
    case 'RobertaProcessing':
    case 'BertProcessing':
      return true;
    default:
      throw typeField.unsupported(`post-processor '${type}'`, [
        'Sequence',
        'TemplateProcessing',
        'ByteLevel',
        'RobertaProcessing',
        'BertProcessing',
      ]);
  }
}

/** tokenizer_config.json has the last word, as with transformers' Llama tokenizers. */
export function parsePrependsBos(postProcessor: JsonReader, config: JsonReader): boolean {
  const byProcessor = startsWithSpecialToken(postProcessor);
  return config.isNull ? byProcessor : config.get('add_bos_token').boolean(byProcessor);
}
