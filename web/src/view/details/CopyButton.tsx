import { useSignal } from "@preact/signals";

/** Copies text; for a moment it says that it did. */
export function CopyButton({ label, text }: { label: string; text(): string }) {
  const said = useSignal("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      said.value = "copied";
    } catch {
      said.value = copyByHand(text()) ? "copied" : "cannot copy";
    }
    setTimeout(() => (said.value = ""), 1500);
  };
  return (
    <button onClick={() => void copy()} aria-live="polite">
      {said.value || label}
    </button>
  );
}

/** The old way, for pages from files in browsers that give those no clipboard. */
function copyByHand(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  return isDone;
}
