import type { Verdict } from "../../model/compare.ts";
import { duration } from "../../text/units.ts";

export const VERDICT_LABELS: Record<Verdict, string> = {
  slower: "slower",
  faster: "faster",
  same: "same",
  new: "new",
  gone: "gone",
};

/** A change of time with a bar: to the right for more, to the left for less. */
export function Change({ us, most }: { us: number; most: number }) {
  const part = Math.min(Math.abs(us) / most, 1) * 50;
  return (
    <span class={`change ${us > 0 ? "more" : us < 0 ? "less" : ""}`}>
      <span class="number">{us > 0 ? `+${duration(us)}` : duration(us)}</span>
      <i aria-hidden="true">
        <b style={{ width: `${part}%`, [us > 0 ? "left" : "right"]: "50%" }} />
      </i>
    </span>
  );
}

/** `3`, or `1 → 3` if it changed. */
export function changeText<T>(before: T, after: T, text: (value: T) => string): string {
  return before === after ? text(after) : `${text(before)} → ${text(after)}`;
}
