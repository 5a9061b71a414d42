/** After a change of page its heading takes the focus, so that it is read out; pages that are still on their way get it when they come. */

let awaited = false;

/** Another page was gone to; its heading may not be there yet. */
export function arrive(main: HTMLElement | null): void {
  window.scrollTo({ top: 0 });
  // While the code of a page is fetched, the page before is still there, hidden.
  const heading = [...(main?.querySelectorAll("h1") ?? [])].find((candidate) => candidate.checkVisibility());
  awaited = heading === undefined;
  heading?.focus({ preventScroll: true });
}

/** A page has come to be shown. */
export function greet(heading: HTMLElement | null): void {
  if (!awaited) return;
  awaited = false;
  heading?.focus({ preventScroll: true });
}
