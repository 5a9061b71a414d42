/** The colours of the style sheet, light and dark: text must be readable on what it stands on (WCAG 2, AA). */

import { describe, expect, it } from "vitest";
import tokens from "../src/styles/tokens.css?raw";

function colours(block: string): Map<string, string> {
  return new Map(
    [...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map(([, name = "", value = ""]) => [name, value]),
  );
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((start) => {
    const part = Number.parseInt(hex.slice(start, start + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

const [lightBlock = "", darkBlock = ""] = tokens.split(':root[data-theme="dark"]');
const light = colours(lightBlock);
const dark = new Map([...light, ...colours(darkBlock)]);

const TONES = ["bad", "warn", "fair", "good", "neutral"];
const TEXTS: [string, string][] = [
  ...["text", "text-2", "text-3", "accent"].flatMap((text): [string, string][] =>
    ["bg", "surface", "raised", "hover"].map((ground) => [text, ground]),
  ),
  ...TONES.flatMap((tone): [string, string][] => [
    [tone, `${tone}-soft`],
    [tone, "surface"],
  ]),
  ["accent", "accent-soft"],
  ["on-accent", "accent"],
  ["text-2", "neutral-soft"],
];
const FILLS: [string, string][] = [
  ["accent-line", "surface"],
  ["focus", "surface"],
  ["focus", "bg"],
];

describe.each([
  ["light", light],
  ["dark", dark],
])("in the %s scheme", (_, scheme) => {
  const of = (name: string) => {
    const value = scheme.get(name);
    if (value === undefined) throw new Error(`no colour is called ${name}`);
    return value;
  };

  it.each(TEXTS)("text in %s can be read on %s", (text, ground) => {
    expect(contrast(of(text), of(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(FILLS)("%s can be told from %s", (fill, ground) => {
    expect(contrast(of(fill), of(ground))).toBeGreaterThanOrEqual(3);
  });
});
