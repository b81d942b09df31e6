import { type ListState, NOTHING_WANTED, SINCE, type Wanted } from "../../state/list-state.ts";

/** How long nobody has to type before the list is asked for, in milliseconds. */
const PAUSE = 300;

const TEXTS: { key: keyof Wanted; label: string; hint: string }[] = [
  { key: "project", label: "Project", hint: "any" },
  { key: "service", label: "Service", hint: "any" },
  { key: "name", label: "Name of a point", hint: "any" },
  { key: "longer", label: "At least", hint: "50ms" },
];

let timer: ReturnType<typeof setTimeout> | undefined;
/** What was typed and is not asked for yet. */
let typed: Partial<Wanted> = {};

/** What of the list is wanted; it is in the address too. */
export function Filters({ state }: { state: ListState }) {
  const wanted = state.wanted.value;
  const want = (change: Partial<Wanted>) => {
    clearTimeout(timer);
    const next = { ...state.wanted.peek(), ...typed, ...change };
    typed = {};
    const link = new URLSearchParams(Object.entries(next).filter(([, value]) => value !== ""));
    history.replaceState(null, "", `#${link}`);
    state.wanted.value = next;
  };
  const type = (key: keyof Wanted, value: string) => {
    typed[key] = value.trim();
    clearTimeout(timer);
    timer = setTimeout(() => want({}), PAUSE);
  };
  const isAny = Object.entries(NOTHING_WANTED).every(([key]) => wanted[key as keyof Wanted] === "");
  return (
    <form class="filters" role="search" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      {TEXTS.map(({ key, label, hint }) => (
        <label key={key}>
          <span>{label}</span>
          <input value={wanted[key]} placeholder={hint} spellcheck={false} onInput={({ currentTarget }) => type(key, currentTarget.value)} />
        </label>
      ))}
      <label>
        <span>Since</span>
        <select value={wanted.since} onChange={({ currentTarget }) => want({ since: currentTarget.value })}>
          <option value="">any time</option>
          {Object.entries(SINCE).map(([key, { label }]) => (
            <option key={key} value={key}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input type="checkbox" checked={wanted.errors !== ""} onChange={({ currentTarget }) => want({ errors: currentTarget.checked ? "1" : "" })} />
        <span>with errors only</span>
      </label>
      {!isAny && (
        <a class="reset" href="#">
          Show all
        </a>
      )}
    </form>
  );
}
