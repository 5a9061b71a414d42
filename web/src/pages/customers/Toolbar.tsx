/** Search and filters above the table. */

import { type RefObject, useEffect, useEffectEvent, useState } from "react";
import type { Customers } from "../../api/types";
import { bandLook } from "../../model/bands";
import { Icon } from "../../ui/Icon";
import { toneIcon } from "../../ui/Marks";
import { type Filters, isFiltered } from "./filters";

/** Milliseconds of rest after which what was typed is looked for. */
const REST = 200;

interface ToolbarProps {
  filters: Filters;
  options: Pick<Customers, "bands" | "segments" | "sources"> | null;
  onChange: (filters: Filters) => void;
  searchField: RefObject<HTMLInputElement | null>;
}

export function Toolbar({ filters, options, onChange, searchField }: ToolbarProps) {
  const bands = options?.bands ?? [];
  const toggle = (band: string) => {
    const chosen = filters.bands.includes(band)
      ? filters.bands.filter((other) => other !== band)
      : [...filters.bands, band];
    onChange({ ...filters, bands: chosen });
  };
  return (
    <search className="toolbar">
      <SearchField value={filters.q} onChange={(q) => onChange({ ...filters, q })} field={searchField} />
      <fieldset className="chips">
        <legend className="sr-only">Bands</legend>
        {bands.toReversed().map(({ band }) => {
          const look = bandLook(band, bands);
          return (
            <button
              key={band}
              type="button"
              className="chip"
              data-tone={look.tone}
              aria-pressed={filters.bands.includes(band)}
              onClick={() => toggle(band)}
            >
              <Icon name={toneIcon(look.tone)} size={13} />
              {look.label}
            </button>
          );
        })}
      </fieldset>
      <Choice
        label="Segment"
        all="All segments"
        options={options?.segments ?? []}
        value={filters.segment}
        onChange={(segment) => onChange({ ...filters, segment })}
      />
      <Choice
        label="Source"
        all="All sources"
        options={options?.sources ?? []}
        value={filters.source}
        onChange={(source) => onChange({ ...filters, source })}
      />
      {isFiltered(filters) && (
        <button
          type="button"
          className="button quiet"
          onClick={() => onChange({ ...filters, bands: [], segment: "", source: "", q: "" })}
        >
          <Icon name="cross" size={13} /> Clear
        </button>
      )}
    </search>
  );
}

interface SearchFieldProps {
  value: string;
  onChange: (value: string) => void;
  field: RefObject<HTMLInputElement | null>;
}

function SearchField({ value, onChange, field }: SearchFieldProps) {
  const [typed, setTyped] = useState(value);
  const [asked, setAsked] = useState(value);
  if (asked !== value) {
    // The address changed from elsewhere (back, clear): follow it.
    setAsked(value);
    setTyped(value);
  }
  const ask = useEffectEvent(() => {
    setAsked(typed);
    onChange(typed);
  });
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => ask(), REST);
    return () => clearTimeout(timer);
  }, [typed, value]);

  return (
    <label className="search-field">
      <Icon name="search" />
      <span className="sr-only">Search by name or id</span>
      <input
        ref={field}
        type="search"
        placeholder="Customer id"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        aria-keyshortcuts="/"
        spellCheck={false}
        autoComplete="off"
      />
      <span className="key-hint" aria-hidden="true">
        /
      </span>
    </label>
  );
}

interface ChoiceProps {
  label: string;
  all: string;
  options: readonly string[];
  value: string;
  onChange: (value: string) => void;
}

function Choice({ label, all, options, value, onChange }: ChoiceProps) {
  const offered = value !== "" && !options.includes(value) ? [value, ...options] : options;
  if (offered.length < 2 && value === "") return null;
  return (
    <label className="select">
      <span className="sr-only">{label}</span>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">{all}</option>
        {offered.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </label>
  );
}
