"use strict";
/* What every page does: unpack its data, and sort a table when a heading is pressed. */
const scidiff = {
  /** The bytes of a packed block. */
  async unpack(name) {
    const text = document.getElementById(name).textContent;
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  },
  /** The plain values of a packed block. */
  async read(name) {
    return JSON.parse(new TextDecoder().decode(await scidiff.unpack(name)));
  },
  /** A sentence in the place of a picture that cannot be drawn. */
  fail(place, error) {
    const line = document.createElement("p");
    line.className = "failed";
    line.textContent = `This browser cannot draw this picture (${error.message || error}). The tables are complete without.`;
    place.replaceChildren(line);
  },
};

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent.trim() || null;
  };
  const order = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null); // empty cells last, either way
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  };
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort(([a], [b]) => order(a, b, down ? -1 : 1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
