/** The sign-in form, on whatever address it was asked for; the address is kept. */

import { type FormEvent, useEffect, useRef, useState } from "react";
import { ProblemError } from "../api/client";
import { signIn } from "../api/session";
import { plural } from "../format/number";
import { Mark } from "../shell/Mark";
import { ThemeSwitch } from "../shell/ThemeSwitch";
import { Icon } from "../ui/Icon";

export function SignIn({ expired }: { expired: boolean }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const name = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = "Sign in · Mainstem";
    name.current?.focus();
  }, []);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    setFailure(null);
    try {
      await signIn(String(fields.get("name")), String(fields.get("password")));
    } catch (error) {
      setFailure(explain(error));
      setBusy(false);
    }
  };

  return (
    <main className="sign-in" id="main">
      <form onSubmit={submit} aria-labelledby="sign-in-title">
        <div className="sign-in-head">
          <Mark size={36} />
          <h1 id="sign-in-title">Sign in to Mainstem</h1>
          <p>
            {expired
              ? "Your session has ended. Sign in again to go on where you were."
              : "Customer health, seconds old and explained."}
          </p>
        </div>
        {failure && (
          <p className="form-error" role="alert">
            <Icon name="bad" /> {failure}
          </p>
        )}
        <label>
          Name
          <input
            ref={name}
            name="name"
            type="text"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
          />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <button type="submit" className="button primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
      <div className="sign-in-foot">
        <ThemeSwitch />
      </div>
    </main>
  );
}

function explain(error: unknown): string {
  if (!(error instanceof ProblemError)) return error instanceof Error ? error.message : String(error);
  if (error.is("wrong-credentials")) return "Name and password do not fit.";
  if (error.problem.status === 429 && error.retryAfter !== null) {
    return `Too many attempts. Try again in ${plural(Math.ceil(error.retryAfter), "second")}.`;
  }
  return [error.problem.detail || error.problem.title, error.problem.hint].filter(Boolean).join(" ");
}
