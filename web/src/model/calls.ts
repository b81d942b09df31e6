// Which service called which.

import { NO_POINT, type Trace } from "./trace.ts";

export interface Call {
  from: number;
  to: number;
  count: number;
  errors: number;
  /** Microseconds that the callee's points took, one after the other. */
  total: number;
}

export interface CallGraph {
  /** By service: points, failed ones, and microseconds by itself. */
  services: { count: number; errors: number; self: number }[];
  calls: Call[];
}

export function callGraph(trace: Trace): CallGraph {
  const services = trace.services.map(() => ({ count: 0, errors: 0, self: 0 }));
  const calls = new Map<number, Call>();
  for (let point = 0; point < trace.count; point++) {
    const to = trace.serviceOf[point];
    const error = trace.is(point, "error") ? 1 : 0;
    services[to].count++;
    services[to].errors += error;
    services[to].self += trace.self(point);
    const parent = trace.parent(point);
    if (parent === NO_POINT || trace.serviceOf[parent] === to) {
      continue;
    }
    const from = trace.serviceOf[parent];
    const key = from * services.length + to;
    const call = calls.get(key) ?? { from, to, count: 0, errors: 0, total: 0 };
    call.count++;
    call.errors += error;
    call.total += trace.finish(point) - trace.start(point);
    calls.set(key, call);
  }
  return { services, calls: [...calls.values()] };
}

/** A column for each service: callers left of what they call, as far as they do not call each other. */
export function ranks(count: number, calls: Call[]): number[] {
  const rank = new Array<number>(count).fill(-1);
  const visit = (start: number) => {
    const open = [{ service: start, depth: 0, path: new Set([start]) }];
    while (open.length > 0) {
      const { service, depth, path } = open.pop()!;
      if (depth <= rank[service]) {
        continue;
      }
      rank[service] = depth;
      for (const { from, to } of calls) {
        if (from === service && !path.has(to)) {
          open.push({ service: to, depth: depth + 1, path: new Set([...path, to]) });
        }
      }
    }
  };
  const called = new Set(calls.map(({ to }) => to));
  for (let service = 0; service < count; service++) {
    if (!called.has(service)) {
      visit(service);
    }
  }
  // What is left calls itself through others.
  for (let service = 0; service < count; service++) {
    if (rank[service] < 0) {
      visit(service);
    }
  }
  return rank;
}
