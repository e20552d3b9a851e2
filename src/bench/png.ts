/** SVG to PNG, without a browser. */
import { ResourceError } from '../errors.js';

/** Pixels for each unit of the SVG: sharp in print. */
const SCALE = 2;

/** Throws FONT_MISSING where this machine has no fonts to write with: a chart without its words would mislead. */
export async function renderPng(svg: string): Promise<Buffer> {
  const { Resvg } = await import('@resvg/resvg-js');
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
  const probe = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30"><text x="5" y="20">aipc</text></svg>';
  if (new Resvg(probe, { font }).getBBox() === undefined) {
    throw new ResourceError(
      'FONT_MISSING',
      'This machine has no fonts, so that a PNG would have no words. Install some (Debian: apt install fonts-dejavu-core), ' +
        'or write the chart as .svg.',
    );
  }
  const picture = new Resvg(svg, { font, fitTo: { mode: 'zoom', value: SCALE }, background: '#ffffff' });
  return picture.render().asPng();
}
