/** Numbers as people read them. One locale on purpose: the texts around them are English. */

const LOCALE = "en";
const MINUS = "\u2212";

const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDecimals = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const free = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 4 });
const compact = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumSignificantDigits: 3 });

export const NOTHING = "\u2013";

function typeset(text: string): string {
  return text.replace("-", MINUS);
}

/** 1234567 → "1,234,567"; null → "–". */
export function count(value: number | null | undefined): string {
  return value == null ? NOTHING : typeset(whole.format(value));
}

/** Whole below 100,000, then "1.23M": for tiles, where the exact figure is in the tooltip. */
export function shortCount(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  return Math.abs(value) < 100_000 ? count(value) : typeset(compact.format(value));
}

/** A score of 0 to 100 with one decimal, rounded down: 49.96 is not yet the 50.0 at which the next band begins. */
export function score(value: number | null | undefined): string {
  return value == null ? NOTHING : typeset(oneDecimal.format(Math.floor(Math.round(value * 100) / 10) / 10));
}

/** Points with both decimals, as they are added up. */
export function points(value: number | null | undefined): string {
  return value == null ? NOTHING : typeset(twoDecimals.format(value));
}

/** A change with its sign: "+1.2", "−3.4", "±0.0". */
export function change(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  const text = oneDecimal.format(Math.abs(value));
  if (Number(text.replaceAll(",", "")) === 0) return `\u00b1${text}`;
  return `${value > 0 ? "+" : MINUS}${text}`;
}

/** A whole change with its sign. */
export function countChange(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  if (value === 0) return "\u00b10";
  return `${value > 0 ? "+" : MINUS}${whole.format(Math.abs(value))}`;
}

/** 0.98765 → "98.8 %". Never rounds up to 100 % nor down to 0 %, because both are claims. */
export function share(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  if (value > 0 && value < 0.001) return "<\u20090.1\u2009%";
  if (value < 1 && value > 0.999) return ">\u200999.9\u2009%";
  if (value === 0 || value === 1) return `${value * 100}\u2009%`;
  return `${oneDecimal.format(value * 100)}\u2009%`;
}

/** A rate: whole when large, with decimals when small. */
export function rate(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  if (value >= 100) return whole.format(value);
  return value === 0 ? "0" : value < 10 ? typeset(oneDecimal.format(value)) : whole.format(value);
}

/** Any measured value of an input or a metric. */
export function measure(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  return typeset(Number.isInteger(value) ? whole.format(value) : free.format(value));
}

/** "1 customer", "2 customers". */
export function plural(n: number, singular: string, many = `${singular}s`): string {
  return `${count(n)} ${n === 1 ? singular : many}`;
}
