import { render } from "preact";
import { startTheme } from "./draw/theme.ts";
import { startApp } from "./state/app.ts";
import { App } from "./view/App.tsx";
import "./style/main.css";

startTheme();
startApp();
const root = document.getElementById("app");
if (root) {
  root.replaceChildren();
  render(<App />, root);
}
