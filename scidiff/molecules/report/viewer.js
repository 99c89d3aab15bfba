"use strict";
/* One molecule in space, all of them flat; cards, table rows, buttons and arrow keys choose which. */
(async () => {
  const view = document.getElementById("molecule-view");
  const cards = document.getElementById("molecule-cards");
  const words = document.getElementById("molecule-words");
  const rows = new Map([...document.querySelectorAll("#molecules-table tbody tr")].map((row) => [Number(row.cells[0].dataset.key), row]));
  const molecules = await scidiff.read("molecules-data");
  const still = matchMedia("(prefers-color-scheme: dark)");
  let stage = null;
  let chosen = 0;

  const line = (text, kind) => {
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = text;
    return span;
  };

  const buttons = molecules.map((molecule, place) => {
    const card = document.createElement("button");
    card.type = "button";
    card.className = molecule.mark ? "card marked" : "card";
    card.title = [molecule.smiles, molecule.mark].filter(Boolean).join("\n");
    card.innerHTML = molecule.flat; // RDKit's drawing; no text of the file's is in it
    card.querySelector("svg")?.setAttribute("aria-hidden", "true");
    const number = document.createElement("i");
    number.textContent = `${molecule.n} `;
    card.append(number, molecule.formula);
    card.addEventListener("click", () => choose(place));
    return card;
  });
  cards.append(...buttons);

  function choose(place) {
    buttons[chosen].setAttribute("aria-pressed", "false");
    rows.get(molecules[chosen].n)?.classList.remove("chosen");
    chosen = (place + molecules.length) % molecules.length;
    const molecule = molecules[chosen];
    buttons[chosen].setAttribute("aria-pressed", "true");
    reveal(cards, buttons[chosen]);
    rows.get(molecule.n)?.classList.add("chosen");
    const title = [`${molecule.n}`, molecule.formula, molecule.remark].filter(Boolean).join(" · ");
    words.replaceChildren(title, ...[line(molecule.smiles, ""), line(molecule.mark, "mark")].filter((each) => each.textContent));
    view.setAttribute("aria-label", `molecule ${title} in three dimensions`);
    if (stage) draw(molecule);
  }

  /** Scroll a box, and not the page, until what it holds is seen. */
  function reveal(box, inside) {
    const [outer, inner] = [box.getBoundingClientRect(), inside.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - 8;
    if (inner.left < outer.left || inner.right > outer.right) box.scrollLeft += inner.left - outer.left - 8;
  }

  function draw(molecule) {
    stage.removeAllModels();
    if (molecule.solid) {
      stage.addModel(molecule.solid, "sdf");
      stage.setStyle({}, { stick: { radius: 0.12 }, sphere: { scale: 0.25 } });
      stage.setStyle({ elem: "C" }, { stick: { radius: 0.12, color: "#7d8590" }, sphere: { scale: 0.25, color: "#7d8590" } });
      stage.setStyle({ elem: "H" }, { stick: { radius: 0.1, color: "#dfe2e6" }, sphere: { scale: 0.2, color: "#dfe2e6" } });
      stage.zoomTo();
      stage.zoom(0.9);
    }
    stage.render();
  }

  const paper = () => stage.setBackgroundColor(getComputedStyle(document.body).getPropertyValue("--card").trim(), 1);
  try {
    stage = $3Dmol.createViewer(view, { antialias: true });
    paper();
    still.addEventListener("change", paper);
  } catch (error) {
    scidiff.fail(view, error);
  }
  if (!molecules.length) return;
  choose(0);
  document.getElementById("molecule-back").addEventListener("click", () => choose(chosen - 1));
  document.getElementById("molecule-on").addEventListener("click", () => choose(chosen + 1));
  view.closest(".bench").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(chosen + step);
    if (cards.contains(document.activeElement)) buttons[chosen].focus({ preventScroll: true });
  });
  for (const [number, row] of rows) row.addEventListener("click", () => choose(molecules.findIndex((each) => each.n === number)));
  view.dataset.ready = "true";
})().catch((error) => scidiff.fail(document.getElementById("molecule-view"), error));
