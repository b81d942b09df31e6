// Instants for human eyes, and for records.

/** `2016-04-18T17:42:10.774321`, from microseconds since 1970, in UTC. */
export function utcMicros(us: number): string {
  const ms = Math.floor(us / 1000);
  const rest = String(us - ms * 1000).padStart(3, "0");
  return new Date(ms).toISOString().slice(0, -1) + rest;
}

/** Date and time to the millisecond, in UTC or as the reader's clock shows it. */
export function instant(us: number, isLocal: boolean): string {
  if (!isLocal) {
    return `${utcMicros(us).slice(0, 23).replace("T", " ")} UTC`;
  }
  const at = new Date(us / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  const offset = -at.getTimezoneOffset();
  const sign = offset < 0 ? "-" : "+";
  const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${date} ${time}.${String(at.getMilliseconds()).padStart(3, "0")} ${zone}`;
}

/** Microseconds since 1970, from text such as `utcMicros` gives; 0 if it is none. */
export function microsOf(text: string): number {
  const ms = Date.parse(`${text.slice(0, 23)}Z`);
  return Number.isNaN(ms) ? 0 : ms * 1000 + Number(text.slice(23, 26).padEnd(3, "0"));
}
