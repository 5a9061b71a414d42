import type { ReactNode } from "react";

/** A part that scrolls by itself; it takes the focus so that arrow keys can scroll it. */
export function Scroll({ label, tall = false, children }: { label: string; tall?: boolean; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable with the keyboard
    <section className={tall ? "scroll tall" : "scroll"} aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
