"use strict";
/* Volumes in linked planes: a slider or a press on a picture moves the one cross that all of them share. */
(async () => {
  const view = document.getElementById("scan-view");
  const about = await scidiff.read("scan-data");
  const voxels = await Promise.all(about.layers.map(async (_, k) => new Uint8Array(await scidiff.unpack(`scan-layer-${k}`))));
  const stride = [1, about.shape[0], about.shape[0] * about.shape[1]];
  const at = [...about.centre];

  /** Black, violet, red, yellow, white: matplotlib's inferno at nine places. */
  const INFERNO = [[0, 0, 4], [33, 12, 74], [87, 16, 110], [138, 34, 106], [188, 55, 84], [228, 90, 49], [249, 142, 9], [249, 203, 53], [252, 255, 164]];
  const heat = (share) => {
    const [k, rest] = [Math.min(Math.floor(share * 8), 7), share * 8];
    return INFERNO[k].map((low, channel) => low + (rest - k) * (INFERNO[k + 1][channel] - low));
  };
  const grey = (share) => [255 * share, 255 * share, 255 * share];
  const colours = (kind) => (kind === "image" ? grey : heat);

  /** Step -> colour, as the machine stores it; step 0 is no voxel. */
  const tables = about.layers.map((layer) => {
    const bytes = new Uint8ClampedArray(4 * 256);
    for (let step = 1; step <= layer.levels + 1; step++) bytes.set([...colours(layer.kind)((step - 1) / layer.levels), 255], 4 * step);
    return new Uint32Array(bytes.buffer);
  });

  const number = (value) => Number(value.toPrecision(3)).toLocaleString("en");
  const cuts = [];
  for (const plane of about.planes) {
    const row = view.querySelector(`[data-plane="${plane.name}"]`);
    const slider = row.querySelector("input");
    const [width, height] = [about.shape[plane.across], about.shape[plane.up]];
    const output = row.querySelector("output");
    slider.addEventListener("input", () => { at[plane.through] = Number(slider.value); show(); });
    row.querySelectorAll("figure").forEach((figure, layer) => {
      const canvas = figure.querySelector("canvas");
      [canvas.width, canvas.height] = [width, height];
      canvas.style.aspectRatio = `${width * about.spacing[plane.across]} / ${height * about.spacing[plane.up]}`;
      const pen = canvas.getContext("2d");
      const image = pen.createImageData(width, height);
      const lines = ["across", "up"].map(() => canvas.parentNode.appendChild(document.createElement("i")));
      if (layer === 0) letters(canvas.parentNode, plane);
      listen(canvas, plane, width, height);
      cuts.push({ plane, slider, output, layer, figure, canvas, pen, image, pixels: new Uint32Array(image.data.buffer), lines, drawn: -1, value: figure.querySelector(".value") });
    });
  }

  /** Which side of the patient is where. */
  function letters(box, plane) {
    const places = [["left:4px;top:46%", about.ends[plane.across][0]], ["right:4px;top:46%", about.ends[plane.across][1]],
      ["bottom:4px;left:48%", about.ends[plane.up][0]], ["top:4px;left:48%", about.ends[plane.up][1]]];
    for (const [place, letter] of places) {
      const mark = document.createElement("s");
      mark.style.cssText = place;
      mark.textContent = letter;
      box.append(mark);
    }
  }

  /** A press, or a drag, puts the cross where it is. */
  function listen(canvas, plane, width, height) {
    const move = (event) => {
      const box = canvas.getBoundingClientRect();
      const place = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
      at[plane.across] = place((event.clientX - box.left) / box.width, width);
      at[plane.up] = place(1 - (event.clientY - box.top) / box.height, height);
      show();
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); move(event); });
    canvas.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });
  }

  function draw(cut) {
    const { across, up, through } = cut.plane;
    const [width, height] = [about.shape[across], about.shape[up]];
    const [source, table, pixels] = [voxels[cut.layer], tables[cut.layer], cut.pixels];
    for (let y = 0, pixel = 0; y < height; y++) {
      let place = at[through] * stride[through] + (height - 1 - y) * stride[up];
      for (let x = 0; x < width; x++, place += stride[across]) pixels[pixel++] = table[source[place]];
    }
    cut.pen.putImageData(cut.image, 0, 0);
    cut.drawn = at[through];
  }

  /** Everything at the place of the cross; slices that are drawn already stay. */
  function show() {
    const here = at[0] * stride[0] + at[1] * stride[1] + at[2] * stride[2];
    for (const cut of cuts) {
      const { across, up, through, name } = cut.plane;
      if (cut.drawn !== at[through]) draw(cut);
      const layer = about.layers[cut.layer];
      const step = voxels[cut.layer][here];
      const value = layer.low + ((step - 1) / layer.levels) * (layer.high - layer.low);
      const beyond = step === layer.levels + 1 ? "≥ " : step === 1 && layer.low !== 0 ? "≤ " : "";
      cut.value.textContent = step ? beyond + number(value) : "";
      const [x, y] = [(at[across] + 0.5) / about.shape[across], 1 - (at[up] + 0.5) / about.shape[up]];
      cut.lines[0].style.cssText = `left:${100 * x}%;top:0;bottom:0;width:1px`;
      cut.lines[1].style.cssText = `top:${100 * y}%;left:0;right:0;height:1px`;
      const [start, size] = about.places[through];
      const place = `${"xyz"[through]} = ${Math.round(start + size * at[through])} mm, slice ${at[through] + 1} of ${about.shape[through]}`;
      cut.slider.value = at[through];
      cut.slider.setAttribute("aria-valuetext", place);
      cut.output.textContent = place;
      cut.canvas.setAttribute("aria-label", `${layer.name}, ${name}, ${place}`);
    }
  }

  for (const box of document.querySelectorAll(".layers input")) {
    box.addEventListener("change", () => {
      for (const figure of view.querySelectorAll(`figure[data-layer="${box.dataset.layer}"]`)) figure.hidden = !box.checked;
    });
  }

  for (const scale of view.querySelectorAll(".scale")) {
    const layer = about.layers.find((each) => (each.kind === "image") === (scale.dataset.kind === "image"));
    if (!layer) { scale.parentNode.hidden = true; continue; }
    const pen = scale.getContext("2d");
    for (let x = 0; x < 256; x++) {
      pen.fillStyle = `rgb(${colours(layer.kind)(x / 255).map(Math.round).join(",")})`;
      pen.fillRect(x, 0, 1, 1);
    }
    const unit = about.unit || "in the scan's own units";
    scale.nextElementSibling.textContent = `${number(layer.low)} to ${number(layer.high)} ${unit}${layer.kind === "image" ? "" : ", in all maps alike"}`;
  }
  show();
  view.dataset.ready = "true";
})().catch((error) => scidiff.fail(document.getElementById("scan-view"), error));
