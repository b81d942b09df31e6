// The colours, which the style sheet defines; canvases read them from there.

import { signal } from "@preact/signals";

export interface Theme {
  text: string;
  muted: string;
  faint: string;
  line: string;
  strongLine: string;
  surface: string;
  raised: string;
  accent: string;
  error: string;
  match: string;
  critical: string;
  /** Text on the colours of the series. */
  onSeries: string;
  series: string[];
}

export type Mode = "system" | "light" | "dark";

const SERIES = 8;
const KEY = "osprofiler-theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

export const mode = signal<Mode>(storedMode());
export const theme = signal<Theme>(read());

export function setMode(next: Mode): void {
  mode.value = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A page from a file may have no storage.
  }
  apply();
}

export function startTheme(): void {
  apply();
  prefersDark.addEventListener("change", apply);
}

/** Paper is white, whatever the screen is. */
export function duringPrint(isPrinting: boolean): void {
  document.documentElement.dataset.theme = isPrinting ? "light" : resolved();
  theme.value = read();
}

function apply(): void {
  document.documentElement.dataset.theme = resolved();
  theme.value = read();
}

function resolved(): "light" | "dark" {
  return mode.value === "system" ? (prefersDark.matches ? "dark" : "light") : mode.value;
}

function storedMode(): Mode {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "light" || stored === "dark" ? stored : "system";
  } catch {
    return "system";
  }
}

function read(): Theme {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: color("text"),
    muted: color("muted"),
    faint: color("faint"),
    line: color("line"),
    strongLine: color("strong-line"),
    surface: color("surface"),
    raised: color("raised"),
    accent: color("accent"),
    error: color("error"),
    match: color("match"),
    critical: color("critical"),
    onSeries: color("on-series"),
    series: Array.from({ length: SERIES }, (_, at) => color(`series-${at}`)),
  };
}
