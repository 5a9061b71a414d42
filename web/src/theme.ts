/** Light or dark: as the system says, until somebody chooses. */

import { createStore } from "./data/store";

export type Choice = "system" | "light" | "dark";

const KEY = "mainstem.theme";

function stored(): Choice {
  try {
    const value = window.localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

export const theme = createStore<Choice>("system");
/** What is in force; charts paint anew when it changes. */
export const scheme = createStore<"light" | "dark">("light");

const dark = typeof window === "undefined" ? null : window.matchMedia("(prefers-color-scheme: dark)");

function apply(): void {
  const choice = theme.get();
  const inForce = choice === "system" ? (dark?.matches ? "dark" : "light") : choice;
  document.documentElement.dataset.theme = inForce;
  scheme.set(inForce);
}

export function startTheme(): void {
  theme.set(stored());
  apply();
  dark?.addEventListener("change", apply);
}

export function chooseTheme(choice: Choice): void {
  theme.set(choice);
  try {
    if (choice === "system") window.localStorage.removeItem(KEY);
    else window.localStorage.setItem(KEY, choice);
  } catch {
    // Storage is forbidden: the choice holds until the page is closed.
  }
  apply();
}
