/** All customers: filter, sort, page; scores move while one looks. */

import { useEffect, useMemo, useRef, useState } from "react";
import { query } from "../../api/client";
import type { Customers as CustomersData } from "../../api/types";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import { useLive } from "../../live/browser";
import { scoresSource } from "../../live/context";
import { navigate, paths, useSearch } from "../../router";
import { Icon } from "../../ui/Icon";
import { Vintage } from "../../ui/Marks";
import { Page } from "../../ui/Page";
import { Empty, Failure, resourceVintage, Skeleton } from "../../ui/Tile";
import { CustomerTable } from "./CustomerTable";
import { customersPath, type Filters, isFiltered, readFilters, writeFilters } from "./filters";
import { Toolbar } from "./Toolbar";

const EVERY = 15;

export function Customers() {
  const search = useSearch();
  const filters = useMemo(() => readFilters(search), [search]);
  // Cursors of the pages passed through, the current one last. Another question starts on its first page.
  const [trail, setTrail] = useState<{ search: string; cursors: string[] }>({ search, cursors: [] });
  const cursors = trail.search === search ? trail.cursors : [];
  const page = cursors.length;

  const list = useResource<CustomersData>(customersPath(filters, cursors[page - 1] ?? null), { every: EVERY });
  const { data, meta } = list;
  const ids = data?.rows.map(({ customer_id }) => customer_id).sort() ?? [];
  const live = useLive(ids.length > 0 ? `/health-scores${query({ customer_id: ids })}` : null, scoresSource);

  const change = (next: Filters) => navigate(paths.customers + writeFilters(next), { replace: true });
  const turnTo = (next: string[]) => {
    setTrail({ search, cursors: next });
    top.current?.scrollIntoView({ block: "start" });
  };
  const top = useRef<HTMLDivElement>(null);
  const searchField = useSearchKey();

  return (
    <Page
      title="Customers"
      subtitle={data ? `${number.plural(data.total, "customer")}${isFiltered(filters) ? " found" : ""}` : "\u00a0"}
      controls={<Vintage {...resourceVintage(list)} />}
    >
      <div ref={top} className="anchor" />
      <Toolbar filters={filters} options={data} onChange={change} searchField={searchField} />
      {list.error && data && (
        <p className="banner" data-tone="warn" role="status">
          <Icon name="warn" /> The list could not be refreshed: {list.error.message}
        </p>
      )}
      <section className="tile flush" aria-label="Customers" aria-busy={list.loading}>
        {data === null ? (
          <div className="padded">
            {list.error ? <Failure error={list.error} retry={list.refresh} /> : <Skeleton lines={12} />}
          </div>
        ) : data.rows.length === 0 ? (
          <NothingFound filters={filters} onClear={() => navigate(paths.customers, { replace: true })} />
        ) : (
          <CustomerTable
            data={data}
            waiting={list.loading}
            live={live.state?.scores}
            filters={filters}
            onSort={change}
          />
        )}
      </section>
      {data && data.rows.length > 0 && (
        <Pager
          page={page}
          shown={data.rows.length}
          total={data.total}
          previous={page > 0 ? () => turnTo(cursors.slice(0, -1)) : null}
          next={meta?.next_cursor && !list.loading ? nextStep(cursors, meta.next_cursor, turnTo) : null}
        />
      )}
    </Page>
  );
}

function nextStep(cursors: string[], cursor: string, turnTo: (cursors: string[]) => void): () => void {
  return () => turnTo([...cursors, cursor]);
}

/** "/" goes to the search field, unless somebody is typing. */
function useSearchKey() {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = target.closest("input, select, textarea, [contenteditable]") !== null;
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  return field;
}

function NothingFound({ filters, onClear }: { filters: Filters; onClear: () => void }) {
  if (!isFiltered(filters)) {
    return (
      <Empty icon="customers" title="No customers yet">
        A customer appears with the first record that names it.
      </Empty>
    );
  }
  return (
    <Empty icon="search" title="No customer fits">
      <button type="button" className="button" onClick={onClear}>
        Clear the filters
      </button>
    </Empty>
  );
}

interface PagerProps {
  page: number;
  shown: number;
  total: number;
  previous: (() => void) | null;
  next: (() => void) | null;
}

const PAGE_SIZE = 50;

function Pager({ page, shown, total, previous, next }: PagerProps) {
  const first = page * PAGE_SIZE + 1;
  return (
    <nav className="pager" aria-label="Pages">
      <span className="num" aria-live="polite">
        {number.count(first)}–{number.count(first + shown - 1)} of {number.count(total)}
      </span>
      <button type="button" className="button" disabled={previous === null} onClick={() => previous?.()}>
        <Icon name="left" /> Previous
      </button>
      <button type="button" className="button" disabled={next === null} onClick={() => next?.()}>
        Next <Icon name="right" />
      </button>
    </nav>
  );
}
