// The stretch of time that is in view, and how it maps to pixels.

/** Microseconds from the beginning of the trace. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Nobody can measure less than this. */
const MIN_LENGTH = 2;

export const length = ({ from, to }: Range): number => to - from;

export const toPixel = ({ from, to }: Range, width: number, us: number): number => ((us - from) / (to - from)) * width;

export const toTime = ({ from, to }: Range, width: number, x: number): number => from + (x / width) * (to - from);

/** All of a trace; never empty. */
export function whole(durationUs: number): Range {
  return { from: 0, to: Math.max(durationUs, MIN_LENGTH) };
}

/** The range moved and cut so that it lies within `all`. */
export function within(range: Range, all: Range): Range {
  const long = Math.min(Math.max(length(range), MIN_LENGTH), length(all));
  const from = Math.min(Math.max(range.from, all.from), all.to - long);
  return { from, to: from + long };
}

/** Zooms by a factor (below 1 is closer), so that `at` stays where it is. */
export function zoomed(range: Range, factor: number, at: number, all: Range): Range {
  const long = Math.min(Math.max(length(range) * factor, MIN_LENGTH), length(all));
  const scale = long / length(range);
  return within({ from: at - (at - range.from) * scale, to: at + (range.to - at) * scale }, all);
}

export function moved(range: Range, us: number, all: Range): Range {
  return within({ from: range.from + us, to: range.to + us }, all);
}

/** The least round number (1, 2 or 5 times a power of ten) of microseconds so that marks are apart enough. */
export function stepOf(range: Range, width: number, minPixels = 90): number {
  const raw = (length(range) * minPixels) / Math.max(width, 1);
  const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1)));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= raw) ?? 10 * power;
}

export function* marks(range: Range, step: number): Generator<number> {
  for (let at = Math.ceil(range.from / step) * step; at <= range.to; at += step) {
    yield at;
  }
}
