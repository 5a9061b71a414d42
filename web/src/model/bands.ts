/** How a band looks: never by colour alone, always with an icon and its word. */

import type { Band } from "../api/types";

export type Tone = "bad" | "warn" | "fair" | "good" | "neutral";

/** Used until a model has told its own. Worst first. */
const USUAL: readonly Band[] = [
  { band: "critical", label: "Critical", low: 0, high: 25 },
  { band: "at_risk", label: "At risk", low: 25, high: 50 },
  { band: "watch", label: "Watch", low: 50, high: 75 },
  { band: "healthy", label: "Healthy", low: 75, high: 100 },
];

const TONES: Record<number, readonly Tone[]> = {
  1: ["neutral"],
  2: ["bad", "good"],
  3: ["bad", "warn", "good"],
  4: ["bad", "warn", "fair", "good"],
};
const SCALE: readonly Tone[] = ["bad", "warn", "fair", "good"];

/** The tone follows from the place of the band among its model's, worst first. */
export function toneAt(index: number, bands: number): Tone {
  const known = TONES[bands]?.[index];
  if (known) return known;
  if (index < 0 || bands < 1) return "neutral";
  return SCALE[Math.round((index * (SCALE.length - 1)) / (bands - 1))] ?? "neutral";
}

function words(name: string): string {
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

export interface BandLook {
  label: string;
  tone: Tone;
}

/** Outside of every model: customers that have left. */
const CHURNED = "churned";

export function bandLook(name: string | null, bands: readonly Band[] | null | undefined): BandLook {
  if (name === null) return { label: "No score", tone: "neutral" };
  if (name === CHURNED) return { label: "Churned", tone: "neutral" };
  for (const known of [bands ?? [], USUAL]) {
    const index = known.findIndex((band) => band.band === name);
    const band = known[index];
    if (band) return { label: band.label, tone: toneAt(index, known.length) };
  }
  return { label: words(name), tone: "neutral" };
}

/** The band a score falls into; null when it is outside of all. */
export function bandOfScore(score: number, bands: readonly Band[] | null | undefined): string | null {
  const known = bands?.length ? bands : USUAL;
  return known.find((band, i) => score >= band.low && (score < band.high || i === known.length - 1))?.band ?? null;
}

/** Best first, and last what no model knows, such as customers that have left. */
export function bestFirst<T extends { band: string }>(
  entries: readonly T[],
  bands: readonly Band[] | null | undefined,
): T[] {
  const place = ({ band }: T) => (bands ?? []).findIndex((known) => known.band === band);
  return [...entries].sort((a, b) => place(b) - place(a));
}
