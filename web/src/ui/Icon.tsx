/** The icons, drawn here: 16 units square, stroked in the colour of the text. */

import type { ReactNode } from "react";

const SHAPES = {
  overview: <path d="M2.5 9.5h4v4h-4zM2.5 2.5h4v4h-4zM9.5 2.5h4v4h-4zM9.5 9.5h4v4h-4z" />,
  customers: (
    <>
      <circle cx="6" cy="5.2" r="2.4" />
      <path d="M1.8 13.4c.3-2.6 2-4 4.2-4s3.9 1.4 4.2 4M10.6 3.1a2.3 2.3 0 0 1 0 4.3M12.2 9.7c1.2.6 1.9 1.9 2.1 3.7" />
    </>
  ),
  data: (
    <>
      <ellipse cx="8" cy="3.8" rx="5.2" ry="2" />
      <path d="M2.8 3.8v8.4c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2V3.8M2.8 8c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2" />
    </>
  ),
  journeys: <path d="M1.8 2.6h12.4l-4.7 5.6v4.2l-3 1.4V8.2z" />,
  quality: <path d="M8 1.8 13.4 4v3.6c0 3.2-2.2 5.5-5.4 6.6-3.2-1.1-5.4-3.4-5.4-6.6V4zM5.6 7.9l1.8 1.8 3.1-3.4" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.3v1.5M8 13.2v1.5M1.3 8h1.5M13.2 8h1.5M3.3 3.3l1 1M11.7 11.7l1 1M12.7 3.3l-1 1M4.3 11.7l-1 1" />
    </>
  ),
  moon: <path d="M13.3 9.7A5.6 5.6 0 0 1 6.3 2.7a5.6 5.6 0 1 0 7 7z" />,
  system: <path d="M2 3h12v8H2zM6 13.5h4M8 11v2.5" />,
  search: (
    <>
      <circle cx="7" cy="7" r="4.2" />
      <path d="m10.2 10.2 3.3 3.3" />
    </>
  ),
  left: <path d="m9.8 3.5-4.5 4.5 4.5 4.5" />,
  right: <path d="m6.2 3.5 4.5 4.5-4.5 4.5" />,
  up: <path d="M8 12.8V3.2M4 7.2l4-4 4 4" />,
  down: <path d="M8 3.2v9.6M4 8.8l4 4 4-4" />,
  flat: <path d="M3.5 8h9" />,
  check: <path d="m3.3 8.4 3.1 3.1 6.3-7" />,
  cross: <path d="m4 4 8 8M12 4l-8 8" />,
  good: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m5.3 8.2 1.9 1.9 3.6-4" />
    </>
  ),
  fair: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M5.3 8h5.4" />
    </>
  ),
  warn: <path d="M8 2.2 14.3 13H1.7zM8 6.4v3.1M8 11.3v.1" />,
  bad: <path d="M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM8 5v3.6M8 10.9v.1" />,
  neutral: <circle cx="8" cy="8" r="6" strokeDasharray="2.2 2.5" />,
  clock: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 4.6V8l2.3 1.5" />
    </>
  ),
  half: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
    </>
  ),
  dot: <circle cx="8" cy="8" r="3.2" fill="currentColor" />,
  archive: <path d="M2.2 3h11.6v3H2.2zM3.2 6v7h9.6V6M6.3 8.7h3.4" />,
  replay: <path d="M3.1 8a5 5 0 1 0 1.5-3.6L2.8 6.1M2.8 2.9v3.2H6M6.9 6.2v3.6L9.9 8z" />,
  link: (
    <path d="M5.8 10.2 10.2 5.8M7.1 4.6l1.3-1.3a3 3 0 0 1 4.3 4.3l-1.3 1.3M8.9 11.4l-1.3 1.3a3 3 0 0 1-4.3-4.3l1.3-1.3" />
  ),
  out: <path d="M6 2.5H2.8v11H6M10.5 4.8 13.7 8l-3.2 3.2M13.5 8H6" />,
  lock: <path d="M3.5 7.2h9v6.3h-9zM5.3 7.2V5a2.7 2.7 0 0 1 5.4 0v2.2" />,
  sort: <path d="m5 6.3 3-3 3 3M5 9.7l3 3 3-3" />,
  calendar: <path d="M2.5 3.8h11v9.7h-11zM2.5 6.8h11M5.5 2.3v2.5M10.5 2.3v2.5" />,
  flag: <path d="M3.5 14V2.5M3.5 3h8.5l-1.8 2.9L12 8.8H3.5" />,
  bolt: <path d="M8.8 1.8 3.5 9h4l-.6 5.2L12.5 7h-4z" />,
  pencil: <path d="M10.9 2.7l2.4 2.4-7.7 7.7-3 .6.6-3z" />,
  box: <path d="M8 1.9l5.5 3v6.2L8 14.1l-5.5-3V4.9zM2.5 4.9 8 8l5.5-3.1M8 8v6.1" />,
  pulse: <path d="M1.5 8.3h2.9l1.8-4.8 3.2 9 1.9-4.2h3.2" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

/** Decoration beside a word; with `label` it stands for itself. */
export function Icon({ name, label, size = 16 }: { name: IconName; label?: string; size?: number }) {
  const named = label === undefined ? { "aria-hidden": true as const } : { role: "img", "aria-label": label };
  return (
    // biome-ignore lint/a11y/noSvgWithoutTitle: the name is in the attributes, or beside the icon
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      {...named}
    >
      {SHAPES[name]}
    </svg>
  );
}
