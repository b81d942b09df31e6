// Durations and shares for human eyes: three significant digits in the unit that suits them.

export function duration(us: number): string {
  const sign = us < 0 ? "−" : "";
  const length = Math.abs(Math.round(us));
  if (length === 0) {
    return "0";
  }
  if (length < 1_000) {
    return `${sign}${length} µs`;
  }
  if (length < 999_500) {
    return `${sign}${threeDigits(length)} ms`;
  }
  if (length < 600_000_000) {
    return `${sign}${threeDigits(length / 1_000)} s`;
  }
  return sign + minutes(length);
}

function minutes(us: number): string {
  const all = Math.round(us / 60_000_000);
  return all < 120 ? `${all} min` : `${threeDigits(us / 3_600_000)} h`;
}

/** Of thousandths, in whole numbers, so that halves are rounded up as the program does it. */
function threeDigits(thousandths: number): string {
  const whole = Math.floor(thousandths);
  const decimals = whole < 9_995 ? 2 : whole < 99_950 ? 1 : 0;
  const step = 10 ** (3 - decimals);
  return (Math.floor((whole + step / 2) / step) / 10 ** decimals).toFixed(decimals);
}

/** A time on an axis whose marks are `step` apart, with as many decimals as tell them apart. */
export function axisTime(us: number, step: number): string {
  if (us === 0) {
    return "0";
  }
  const [unit, name] = step >= 1_000_000 ? [1_000_000, "s"] : step >= 1_000 ? [1_000, "ms"] : [1, "µs"];
  const decimals = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  return `${(us / unit).toFixed(decimals)} ${name}`;
}

export function share(part: number, whole: number): string {
  const percent = (part / Math.max(whole, 1)) * 100;
  return part > 0 && percent < 0.1 ? "<0.1%" : `${percent.toFixed(1)}%`;
}

export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
