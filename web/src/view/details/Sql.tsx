import { useMemo } from "preact/hooks";
import { lines } from "../../text/clean.ts";
import { formatSql, MAX_SQL } from "../../text/sql.ts";
import { LongText } from "./JsonTree.tsx";

/** A statement, on lines that show its parts unless it is very long. */
export function Sql({ statement }: { statement: string }) {
  return statement.length > MAX_SQL ? (
    <pre class="sql">
      <LongText text={statement} />
    </pre>
  ) : (
    <FormattedSql statement={statement} />
  );
}

function FormattedSql({ statement }: { statement: string }) {
  const parts = useMemo(() => formatSql(statement), [statement]);
  return (
    <pre class="sql">
      {parts.map(({ text, isKeyword }, at) => (isKeyword ? <b key={at}>{lines(text)}</b> : lines(text)))}
    </pre>
  );
}
