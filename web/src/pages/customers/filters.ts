/** What the customers page was asked for, kept in the address so that it can be shared and gone back to. */

import { query } from "../../api/client";

export const SORTS = ["score", "change", "segment", "last_activity"] as const;
export type SortKey = (typeof SORTS)[number];

export interface Filters {
  bands: string[];
  segment: string;
  source: string;
  q: string;
  sort: SortKey;
  descending: boolean;
}

const PAGE = 50;

export function readFilters(search: string): Filters {
  const parameters = new URLSearchParams(search);
  const sort = parameters.get("sort") ?? "score";
  const key = sort.replace(/^-/, "") as SortKey;
  const known = SORTS.includes(key);
  return {
    bands: parameters.getAll("band"),
    segment: parameters.get("segment") ?? "",
    source: parameters.get("source") ?? "",
    q: parameters.get("q") ?? "",
    sort: known ? key : "score",
    descending: known && sort.startsWith("-"),
  };
}

function parameters(filters: Filters): Record<string, string | string[] | null> {
  const { bands, segment, source, q, sort, descending } = filters;
  return { band: bands, segment, source, q, sort: `${descending ? "-" : ""}${sort}` };
}

/** The address's query; the default order is left out. */
export function writeFilters(filters: Filters): string {
  const isDefault = filters.sort === "score" && !filters.descending;
  return query({ ...parameters(filters), ...(isDefault ? { sort: null } : {}) });
}

export function customersPath(filters: Filters, cursor: string | null): string {
  return `/analytics/customers${query({ ...parameters(filters), cursor, limit: PAGE })}`;
}

/** A click on a heading: a new column starts with what people look for first there, the same one turns round. */
export function turnSort(filters: Filters, key: SortKey): Filters {
  if (filters.sort === key) return { ...filters, descending: !filters.descending };
  return { ...filters, sort: key, descending: key === "last_activity" };
}

export function isFiltered({ bands, segment, source, q }: Filters): boolean {
  return bands.length > 0 || segment !== "" || source !== "" || q !== "";
}
