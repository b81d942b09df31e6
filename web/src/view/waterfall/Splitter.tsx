import type { Signal } from "@preact/signals";

const [MIN, MAX] = [0.15, 0.8];

/** The line between names and bars, which can be moved. */
export function Splitter({ width, part }: { width: number; part: Signal<number> }) {
  const set = (value: number) => (part.value = Math.min(MAX, Math.max(MIN, value)));
  return (
    <div
      class="splitter"
      style={{ left: `${Math.round(width * part.value)}px` }}
      role="separator"
      tabIndex={0}
      data-keys="own"
      aria-orientation="vertical"
      aria-label="Width of the names"
      aria-valuenow={Math.round(part.value * 100)}
      aria-valuemin={MIN * 100}
      aria-valuemax={MAX * 100}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (event.buttons === 1) {
          const parent = event.currentTarget.parentElement;
          set((event.clientX - (parent?.getBoundingClientRect().left ?? 0)) / Math.max(width, 1));
        }
      }}
      onKeyDown={(event) => {
        if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
          event.preventDefault();
          set(part.value + (event.key === "ArrowLeft" ? -0.03 : 0.03));
        }
      }}
    />
  );
}
