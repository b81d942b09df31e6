import { useEffect, useRef } from "preact/hooks";
import { isHelpOpen } from "../state/app.ts";
import { COMMANDS, type Command } from "../state/commands.ts";
import { keyLabel } from "./labels.ts";

const GROUPS: Command["group"][] = ["Points", "Time", "Search", "Page"];

const SEARCHES: [query: string, meaning: string][] = [
  ["instances", "a word, anywhere: names, details, records"],
  ["service:nova", "also name, project, host, kind, id; * stands for anything"],
  ["duration>50ms", "also self, start; µs, ms, s, min"],
  ["error:true", "also unfinished, orphan, parallel"],
  ["error~timeout", "what the error says"],
  ['info.db.statement~"from instances"', "a part of an info; without ~, the whole"],
  ["-name:db", "all but these"],
];

export function Help() {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} class="help" aria-labelledby="help-title" onClose={() => (isHelpOpen.value = false)}>
      <form method="dialog" class="help-head">
        <h2 id="help-title">Keys and search</h2>
        <button class="quiet" aria-label="Close">✕</button>
      </form>
      <div class="help-groups">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {COMMANDS.filter((command) => command.group === group).map(({ keys, label }) => (
                <div key={label}>
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key}>{keyLabel(key)}</kbd>
                    ))}
                  </dt>
                  <dd>{label}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>With the pointer</h3>
          <dl>
            {[
              ["Drag", "move in time"],
              ["Wheel", "scroll; over the time axis, the lanes, and boxes that fit, zoom"],
              ["Ctrl Wheel, pinch", "zoom"],
              ["Shift Wheel", "move in time"],
              ["Shift Drag", "measure between two instants"],
              ["Double click", "zoom to a point"],
            ].map(([keys, label]) => (
              <div key={keys}>
                <dt>{keys}</dt>
                <dd>{label}</dd>
              </div>
            ))}
          </dl>
        </section>
        <section>
          <h3>What to search for</h3>
          <dl>
            {SEARCHES.map(([query, meaning]) => (
              <div key={query}>
                <dt>
                  <code>{query}</code>
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </dialog>
  );
}
