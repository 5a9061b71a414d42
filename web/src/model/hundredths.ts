/** Points have at most two decimals; adding them as whole hundredths is exact, which floats are not. */

export function toHundredths(value: number): number {
  return Math.round(value * 100);
}

export function fromHundredths(value: number): number {
  return value / 100;
}
