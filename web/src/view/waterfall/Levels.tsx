import type { TraceState } from "../../state/trace-state.ts";

/** Folds the tree by level. */
export function Levels({ state }: { state: TraceState }) {
  return (
    <div class="levels" role="group" aria-label="Levels that show">
      <span>Levels</span>
      {[1, 2, 3, 4, 6].map((levels) => (
        <button key={levels} class="quiet" onClick={() => state.showLevels(levels)} aria-label={`Show ${levels} levels`}>
          {levels}
        </button>
      ))}
      <button class="quiet" onClick={() => state.showLevels(Infinity)}>
        all
      </button>
    </div>
  );
}
