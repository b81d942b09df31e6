import { mode, setMode } from "../draw/theme.ts";

export function ThemeButton() {
  return (
    <button
      class="quiet"
      title="Dark or light (t)"
      aria-label={`Theme: ${mode.value}`}
      onClick={() => setMode(document.documentElement.dataset.theme === "dark" ? "light" : "dark")}
    >
      ◐
    </button>
  );
}
