/** Which instant the page speaks of, and what was known when. */

import { type FormEvent, useId, useState } from "react";
import { query } from "../../api/client";
import { useDataNow } from "../../data/clock";
import * as time from "../../format/time";
import { Icon } from "../../ui/Icon";

export interface Moment {
  asOf: string | null;
  knownAt: string | null;
}

export function readMoment(search: string): Moment {
  const parameters = new URLSearchParams(search);
  return { asOf: valid(parameters.get("as_of")), knownAt: valid(parameters.get("known_at")) };
}

export function writeMoment({ asOf, knownAt }: Moment): string {
  return query({ as_of: asOf, known_at: knownAt });
}

function valid(at: string | null): string | null {
  return at !== null && !Number.isNaN(Date.parse(at)) ? at : null;
}

export function TimeTravel({ moment, onChange }: { moment: Moment; onChange: (moment: Moment) => void }) {
  const [open, setOpen] = useState(false);
  const now = useDataNow();
  const id = useId();
  const past = moment.asOf !== null || moment.knownAt !== null;

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    onChange({
      asOf: time.fromInput(String(fields.get("as_of"))),
      knownAt: time.fromInput(String(fields.get("known_at"))),
    });
    setOpen(false);
  };
  const present = now === null ? "" : time.toInput(new Date(now).toISOString());

  return (
    <div className="travel">
      <button
        type="button"
        className="button"
        aria-expanded={open}
        aria-controls={id}
        data-active={past || undefined}
        onClick={() => setOpen(!open)}
      >
        <Icon name="calendar" /> {past ? "Another time" : "As of now"}
      </button>
      {open && (
        <form
          id={id}
          className="popover"
          onSubmit={submit}
          onKeyDown={(event) => event.key === "Escape" && setOpen(false)}
          key={`${moment.asOf} ${moment.knownAt}`}
        >
          <label>
            As of <small>the instant spoken of, UTC</small>
            <input
              // biome-ignore lint/a11y/noAutofocus: it was opened to be filled in
              autoFocus
              type="datetime-local"
              name="as_of"
              max={present}
              defaultValue={time.toInput(moment.asOf)}
            />
          </label>
          <label>
            Known at <small>what had arrived by then, UTC</small>
            <input type="datetime-local" name="known_at" defaultValue={time.toInput(moment.knownAt)} />
          </label>
          <p className="muted">
            Left empty means now. A late record changes the past; “known at” shows it as it looked before.
          </p>
          <div className="row">
            <button type="submit" className="button primary">
              Show
            </button>
            {past && (
              <button type="button" className="button" onClick={() => onChange({ asOf: null, knownAt: null })}>
                Back to now
              </button>
            )}
          </div>
        </form>
      )}
    </div>
  );
}
