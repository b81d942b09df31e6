import type { Signal } from "@preact/signals";
import { goToMatch } from "../state/commands.ts";
import { COLORINGS, type Coloring, type TraceState, VIEWS } from "../state/trace-state.ts";
import { count } from "../text/units.ts";
import { COLORING_LABELS, VIEW_LABELS } from "./labels.ts";

export function Toolbar({ state, isPanelOpen }: { state: TraceState; isPanelOpen: Signal<boolean> }) {
  return (
    <section class="toolbar" aria-label="Views and search">
      <div class="tabs" role="tablist" aria-label="Views">
        {VIEWS.map((view) => (
          <button
            key={view}
            role="tab"
            aria-selected={state.view.value === view}
            aria-controls="view"
            onClick={() => (state.view.value = view)}
          >
            {VIEW_LABELS[view]}
          </button>
        ))}
      </div>
      <SearchBox state={state} />
      <label class="choice">
        Colour by{" "}
        <select
          value={state.coloring.value}
          onChange={({ currentTarget }) => (state.coloring.value = currentTarget.value as Coloring)}
        >
          {COLORINGS.map((coloring) => (
            <option key={coloring} value={coloring}>
              {COLORING_LABELS[coloring]}
            </option>
          ))}
        </select>
      </label>
      <button aria-pressed={isPanelOpen.value} onClick={() => (isPanelOpen.value = !isPanelOpen.value)}>
        Overview
      </button>
    </section>
  );
}

/** How long nobody has to type before the search begins, in milliseconds. */
const PAUSE = 200;

function SearchBox({ state }: { state: TraceState }) {
  const { search } = state;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const type = (text: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => (search.text.value = text), PAUSE);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const input = event.currentTarget as HTMLInputElement;
    if (event.key === "Enter") {
      clearTimeout(timer);
      search.text.value = input.value;
      void search.settled().then(() => goToMatch(state, event.shiftKey ? -1 : 1));
    } else if (event.key === "Escape") {
      clearTimeout(timer);
      search.text.value = "";
      input.blur();
    }
  };
  return (
    <div class="search" role="search">
      <input
        id="search"
        type="search"
        value={search.text.value}
        placeholder="Search: service:nova duration>50ms …  ( / )"
        aria-label="Search"
        aria-invalid={search.error.value !== ""}
        aria-describedby="search-result"
        spellcheck={false}
        autocomplete="off"
        onInput={({ currentTarget }) => type(currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <span id="search-result" class={`search-result${search.error.value ? " bad" : ""}`} role="status">
        {resultOf(state)}
      </span>
      {search.found.value && (
        <>
          <button class="quiet" aria-label="Previous match" title="Previous match (N)" onClick={() => goToMatch(state, -1)}>
            ↑
          </button>
          <button class="quiet" aria-label="Next match" title="Next match (n)" onClick={() => goToMatch(state, 1)}>
            ↓
          </button>
          <button
            class="quiet"
            aria-pressed={search.isFilter.value}
            title="Show matches only (g)"
            onClick={() => (search.isFilter.value = !search.isFilter.value)}
          >
            only
          </button>
        </>
      )}
    </div>
  );
}

function resultOf({ search }: TraceState): string {
  if (search.error.value) {
    return search.error.value;
  }
  if (search.isBusy.value) {
    return "…";
  }
  return search.found.value ? count(search.count.value) : "";
}
