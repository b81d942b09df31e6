/** Numbers in pairs, of which the least is at hand. */
export class Heap<T extends readonly number[]> {
  private readonly items: T[] = [];

  get least(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    const { items } = this;
    let at = items.push(item) - 1;
    for (let above = (at - 1) >> 1; at > 0 && isLess(item, items[above]); above = (at - 1) >> 1) {
      items[at] = items[above];
      at = above;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const { items } = this;
    const least = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) {
      return least;
    }
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below + 1 < items.length && isLess(items[below + 1], items[below])) {
        below++;
      }
      if (below >= items.length || !isLess(items[below], last)) {
        break;
      }
      items[at] = items[below];
      at = below;
    }
    items[at] = last;
    return least;
  }
}

function isLess(one: readonly number[], other: readonly number[]): boolean {
  const at = one.findIndex((value, at) => value !== other[at]);
  return at >= 0 && one[at] < other[at];
}
