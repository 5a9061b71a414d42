/** Addresses of the dashboard. */

import { useSyncExternalStore } from "react";

export type Route =
  | { page: "overview" }
  | { page: "customers" }
  | { page: "customer"; id: string }
  | { page: "data"; source: string | null }
  | { page: "record"; source: string; id: string }
  | { page: "quality"; source: string | null }
  | { page: "journeys"; name: string | null }
  | { page: "unknown"; path: string };

export function parseRoute(path: string): Route {
  const parts = path.split("/").filter((part) => part !== "");
  const [first, second, ...rest] = parts;
  if (first === undefined) return { page: "overview" };
  const name = second === undefined ? null : decode(second);
  if (first === "data" && name !== null && rest.length === 2 && rest[0] === "records") {
    return { page: "record", source: name, id: decode(rest[1] ?? "") };
  }
  if (rest.length > 0) return { page: "unknown", path };
  if (first === "customers") return name === null ? { page: "customers" } : { page: "customer", id: name };
  if (first === "data") return { page: "data", source: name };
  if (first === "quality") return { page: "quality", source: name };
  if (first === "journeys") return { page: "journeys", name };
  return { page: "unknown", path };
}

export const paths = {
  overview: "/",
  customers: "/customers",
  customer: (id: string) => `/customers/${encodeURIComponent(id)}`,
  data: (source?: string) => (source === undefined ? "/data" : `/data/${encodeURIComponent(source)}`),
  record: (source: string, id: string) => `/data/${encodeURIComponent(source)}/records/${encodeURIComponent(id)}`,
  quality: (source?: string) => (source === undefined ? "/quality" : `/quality/${encodeURIComponent(source)}`),
  journeys: (name?: string) => (name === undefined ? "/journeys" : `/journeys/${encodeURIComponent(name)}`),
};

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const listeners = new Set<() => void>();

function announce(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/** Go to an address of the dashboard. `replace` leaves no entry in the history, for settings such as filters. */
export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  if (to === window.location.pathname + window.location.search) return;
  window.history[replace ? "replaceState" : "pushState"](null, "", to);
  announce();
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => window.location.pathname);
}

export function useSearch(): string {
  return useSyncExternalStore(subscribe, () => window.location.search);
}
