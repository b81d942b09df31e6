import { useEffect, useLayoutEffect } from "preact/hooks";
import { duringPrint } from "../draw/theme.ts";
import { hasServer, isHelpOpen, screen } from "../state/app.ts";
import { runKey } from "../state/commands.ts";
import { oneLine } from "../text/clean.ts";
import { Help } from "./Help.tsx";
import { ListPage } from "./ListPage.tsx";
import { TracePage } from "./TracePage.tsx";

export function App() {
  useKeys();
  usePrint();
  return (
    <>
      <Screen />
      {isHelpOpen.value && <Help />}
    </>
  );
}

function Screen() {
  const now = screen.value;
  switch (now.what) {
    case "reading":
      return <p class="reading">Reading the trace …</p>;
    case "failed":
      return (
        <p class="reading" role="alert">
          The trace cannot be shown: {oneLine(now.message)}.{" "}
          {hasServer.value && <a href="#">All traces</a>}
        </p>
      );
    case "list":
      return <ListPage state={now.state} />;
    case "trace":
      return <TracePage key={now.state.trace.header.base_id} state={now.state} />;
  }
}

function useKeys(): void {
  // Not an effect of after the first drawing: what is seen can be used.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const now = screen.peek();
      const target = event.target as HTMLElement;
      if (now.what !== "trace" || target.closest("input, select, textarea, dialog, [data-keys=own]")) {
        return;
      }
      // Buttons and links keep the keys that press them.
      if ((event.key === "Enter" || event.key === " ") && target.closest("button, a, summary")) {
        return;
      }
      if (runKey(event, now.state)) {
        event.preventDefault();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

function usePrint(): void {
  useEffect(() => {
    const before = () => duringPrint(true);
    const after = () => duringPrint(false);
    window.addEventListener("beforeprint", before);
    window.addEventListener("afterprint", after);
    return () => {
      window.removeEventListener("beforeprint", before);
      window.removeEventListener("afterprint", after);
    };
  }, []);
}
