export function ListPage() {
  return <p class="reading">This page has no trace in it.</p>;
}
