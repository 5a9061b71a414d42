/** A small live area chart with a reading line; light enough for the first page, unlike the chart library. */

import { type PointerEvent, useId, useRef, useState } from "react";
import { path } from "../ui/Sparkline";

interface AreaLineProps {
  points: readonly { at: string; value: number }[];
  label: string;
  /** What the reading of a point says. */
  read: (point: { at: string; value: number }) => string;
  height?: number;
}

const WIDTH = 320;

export function AreaLine({ points, label, read, height = 64 }: AreaLineProps) {
  const [reading, setReading] = useState<number | null>(null);
  const frame = useRef<SVGSVGElement>(null);
  const gradient = useId();
  if (points.length < 2) return <p className="muted">Not enough points yet.</p>;

  const start = Date.parse(points[0]?.at ?? "");
  const end = Date.parse(points[points.length - 1]?.at ?? "");
  const span = Math.max(1, end - start);
  const top = Math.max(1, ...points.map(({ value }) => value)) * 1.08;
  const x = (index: number) => ((Date.parse(points[index]?.at ?? "") - start) * WIDTH) / span;
  const y = (value: number) => height - 1 - (value * (height - 4)) / top;
  const line = path(
    points.map(({ value }) => value),
    x,
    y,
  );
  const follow = (event: PointerEvent<SVGSVGElement>) => {
    const box = frame.current?.getBoundingClientRect();
    if (!box) return;
    const at = start + ((event.clientX - box.left) / box.width) * span;
    let nearest = 0;
    points.forEach((point, index) => {
      const best = Date.parse(points[nearest]?.at ?? "");
      if (Math.abs(Date.parse(point.at) - at) < Math.abs(best - at)) nearest = index;
    });
    setReading(nearest);
  };
  const point = reading === null ? undefined : points[reading];

  return (
    <div className="area-line">
      <svg
        ref={frame}
        viewBox={`0 0 ${WIDTH} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
        height={height}
        onPointerMove={follow}
        onPointerLeave={() => setReading(null)}
      >
        <defs>
          <linearGradient id={gradient} x1="0" x2="0" y1="0" y2="1">
            <stop offset="0" className="area-top" />
            <stop offset="1" className="area-bottom" />
          </linearGradient>
        </defs>
        <path d={`${line}L${WIDTH} ${height}L0 ${height}Z`} fill={`url(#${gradient})`} />
        <path className="line" d={line} vectorEffect="non-scaling-stroke" />
        {point && reading !== null && (
          <line
            className="reader"
            x1={x(reading)}
            x2={x(reading)}
            y1="0"
            y2={height}
            vectorEffect="non-scaling-stroke"
          />
        )}
      </svg>
      {point && <span className="area-reading">{read(point)}</span>}
    </div>
  );
}
