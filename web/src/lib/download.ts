// A figure's data as files, made in the page itself: no request is sent.

export type Cell = string | number | null;
export interface Table {
  columns: string[];
  rows: Cell[][];
}

/** RFC 4180, with text that a spreadsheet would run as a formula kept from it by an apostrophe; numbers stay numbers. */
export function csv(table: Table): string {
  return [table.columns, ...table.rows].map((row) => row.map(quoted).join(',')).join('\r\n') + '\r\n';
}

function quoted(cell: Cell): string {
  if (cell === null || (typeof cell === 'number' && !Number.isFinite(cell))) return '';
  if (typeof cell === 'number') return String(cell);
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** One object a row. */
export function json(table: Table): string {
  const objects = table.rows.map((row) => Object.fromEntries(row.map((cell, each) => [table.columns[each], cell])));
  return JSON.stringify(objects, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? null : value), 1) + '\n';
}

export function save(name: string, text: string, type: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
