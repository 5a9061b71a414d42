/** Lines without axes. Gaps in the data are gaps in the line. */

interface SparklineProps {
  values: readonly (number | null)[];
  label: string;
  width?: number;
  height?: number;
  /** The scale; without it the line fills its height. */
  low?: number;
  high?: number;
}

export function Sparkline({ values, label, width = 92, height = 24, low, high }: SparklineProps) {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return <span className="muted">–</span>;
  const bottom = low ?? Math.min(...known);
  const top = high ?? Math.max(...known);
  const span = Math.max(top - bottom, 1e-9);
  const flat = top === bottom;
  const pad = 3;
  const x = (index: number) => pad + (index * (width - 2 * pad)) / Math.max(1, values.length - 1);
  const y = (value: number) => (flat ? height / 2 : height - pad - ((value - bottom) * (height - 2 * pad)) / span);
  const last = values.findLastIndex((value) => value !== null);
  return (
    <svg
      className="sparkline"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
    >
      <path d={path(values, x, y)} />
      <circle cx={x(last)} cy={y(values[last] ?? 0)} r="2" />
    </svg>
  );
}

/** An SVG path of the known values, broken where a value is missing. */
export function path(
  values: readonly (number | null)[],
  x: (index: number) => number,
  y: (value: number) => number,
): string {
  let drawing = false;
  let d = "";
  values.forEach((value, index) => {
    if (value === null) {
      drawing = false;
      return;
    }
    d += `${drawing ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    drawing = true;
  });
  return d;
}
