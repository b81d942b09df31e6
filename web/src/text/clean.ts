// Traced text is data: here it loses its power to turn, hide or break what is shown around it.

/** Controls, what changes the direction of text, and what hides. */
const HARMFUL =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

function instead(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) {
    return String.fromCharCode(0x2400 + code);
  }
  return code === 0x7f ? "\u2421" : "\ufffd";
}

/** On one line, each run of space as one blank. */
export function oneLine(text: string): string {
  return text.replace(/[ \t\n\f\r]+/g, " ").trim().replace(HARMFUL, instead);
}

/** Of many lines, which stay. */
export function lines(text: string): string {
  return text.replace(HARMFUL, (character) => (character === "\n" || character === "\t" ? character : instead(character)));
}
