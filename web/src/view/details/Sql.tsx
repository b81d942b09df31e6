import { useMemo } from "preact/hooks";
import { lines } from "../../text/clean.ts";
import { formatSql } from "../../text/sql.ts";

export function Sql({ statement }: { statement: string }) {
  const parts = useMemo(() => formatSql(statement), [statement]);
  return (
    <pre class="sql">
      {parts.map(({ text, isKeyword }, at) => (isKeyword ? <b key={at}>{lines(text)}</b> : lines(text)))}
    </pre>
  );
}
