"use strict";
// Turns the scenes of the page: ions, or places where Li was, in a periodic cell.
// A scene's data are the CSV in its own script element, gzipped and in base64, so that what is saved
// is what is drawn.
(() => {
const LOOKS = {
  Li: ["#E69F00", 0.55], La: ["#009E73", 1.05], Zr: ["#0072B2", 0.85], O: ["#D55E00", 0.42],
  Al: ["#CC79A7", 0.7], Ga: ["#CC79A7", 0.75], Ta: ["#56B4E9", 0.85], Nb: ["#56B4E9", 0.85],
};
const OTHER = ["#8a8f98", 0.7];
const GRAINS = ["#56B4E9", "#E69F00"], CORE = "#CC79A7";
const RAMP = [[86, 180, 233], [204, 121, 167], [213, 94, 0]];
const START = { yaw: 0.3, pitch: 0.2, zoom: 1 };
const STEP = 0.12;

for (const figure of document.querySelectorAll("figure[data-scene]"))
  unpacked(document.getElementById("data-" + figure.dataset.scene).textContent)
    .then((text) => setUp(figure, text));

function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function setUp(figure, text) {
  const scene = { ...START, kind: figure.dataset.kind, hidden: new Set(), by: "element", share: 1 };
  scene.sides = [...figure.querySelectorAll("canvas")].map((canvas) => {
    const side = JSON.parse(canvas.dataset.side);
    return { canvas, ...side, points: pointsOf(text, side.role) };
  });
  let waiting = false;
  scene.draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawAll(scene); });
  };
  listen(scene, figure);
  save(figure.querySelector("a[download]"), text);
  drawAll(scene);
  new ResizeObserver(scene.draw).observe(figure);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", scene.draw);
  addEventListener("beforeprint", () => drawAll(scene, "#000"));
  addEventListener("afterprint", scene.draw);
}

function pointsOf(text, role) {
  const [head, ...lines] = text.trim().split("\n");
  const names = head.split(",");
  const at = Object.fromEntries(names.map((name, i) => [name, i]));
  return lines.map((line) => line.split(",")).filter((cells) => cells[0] === role).map((cells) => ({
    xyz: [+cells[at.x_A], +cells[at.y_A], +cells[at.z_A]],
    element: cells[at.element], grain: +cells[at.grain], core: cells[at.core] === "1",
    density: +cells[at.li_per_A3],
  }));
}

function save(link, text) {
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
}

function listen(scene, figure) {
  const turn = (yaw, pitch) => {
    scene.yaw += yaw;
    scene.pitch = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, scene.pitch + pitch));
    scene.draw();
  };
  const zoom = (factor) => {
    scene.zoom = Math.max(0.5, Math.min(8, scene.zoom * factor));
    scene.draw();
  };
  const acts = {
    left: () => turn(-STEP, 0), right: () => turn(STEP, 0),
    up: () => turn(0, STEP), down: () => turn(0, -STEP),
    closer: () => zoom(1.25), farther: () => zoom(0.8),
    x: () => look(0, 0), y: () => look(0, Math.PI / 2), z: () => look(Math.PI / 2, 0),
    reset: () => { Object.assign(scene, START); scene.draw(); },
  };
  const look = (yaw, pitch) => { Object.assign(scene, { yaw, pitch }); scene.draw(); };
  const keys = {
    ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
    "+": "closer", "=": "closer", "-": "farther", Home: "reset", x: "x", y: "y", z: "z",
  };
  for (const button of figure.querySelectorAll("button[data-act]"))
    button.addEventListener("click", acts[button.dataset.act]);
  for (const box of figure.querySelectorAll("input[data-element]"))
    box.addEventListener("change", () => {
      scene.hidden[box.checked ? "delete" : "add"](box.dataset.element);
      scene.draw();
    });
  for (const choice of figure.querySelectorAll("input[data-by]"))
    choice.addEventListener("change", () => { scene.by = choice.dataset.by; scene.draw(); });
  const slider = figure.querySelector("input[type=range]");
  if (slider) slider.addEventListener("input", () => { scene.share = slider.value / slider.max; scene.draw(); });
  for (const { canvas } of scene.sides) {
    canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[keys[event.key]]();
    });
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      turn((event.clientX - from[0]) / 120, (event.clientY - from[1]) / 120);
      from = [event.clientX, event.clientY];
    });
    for (const name of ["pointerup", "pointercancel"])
      canvas.addEventListener(name, () => { from = null; });
  }
}

function drawAll(scene, ink) {
  const style = getComputedStyle(document.documentElement);
  const colours = { ink: ink || style.getPropertyValue("--ink").trim(), soft: "#8a8f98" };
  // One scale for all, so that cells can be compared.
  const scales = scene.sides.map((side) => fitted(side));
  for (const side of scene.sides) draw(scene, side, Math.min(...scales) * scene.zoom, colours);
}

function fitted(side) {
  const { clientWidth: width, clientHeight: height } = side.canvas;
  const [a, b, c] = side.cell;
  const across = Math.hypot(a[0] + Math.abs(b[0]), b[1]);
  return Math.min(width / (c[2] + 0.4 * across), height / (1.15 * across + 6));
}

function projection(scene, side, scale) {
  const centre = [0, 1, 2].map((i) => side.cell.reduce((sum, row) => sum + row[i], 0) / 2);
  const [ca, sa, cb, sb] = [Math.cos(scene.yaw), Math.sin(scene.yaw), Math.cos(scene.pitch), Math.sin(scene.pitch)];
  const { clientWidth: width, clientHeight: height } = side.canvas;
  // Seen along x: the normal z to the right, y upwards.
  return (p) => {
    const [X, Y, Z] = [p[2] - centre[2], p[1] - centre[1], p[0] - centre[0]];
    const across = X * ca + Z * sa, away = Z * ca - X * sa;
    return [width / 2 + scale * across, height / 2 - scale * (Y * cb - away * sb), Y * sb + away * cb];
  };
}

function draw(scene, side, scale, colours) {
  const { canvas } = side, ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const to = projection(scene, side, scale);
  regions(pen, side, to, scene.kind === "ions" ? 0.16 : 0.1);
  box(pen, side, to, colours);
  const shown = scene.kind === "ions" ? ions(scene, side) : places(scene, side);
  const depth = new Float32Array(shown.length), screen = [];
  shown.forEach((point, i) => { screen.push(to(point.xyz)); depth[i] = screen[i][2]; });
  const order = Uint32Array.from(shown.keys()).sort((i, j) => depth[i] - depth[j]);
  const near = depth[order[order.length - 1]], far = depth[order[0]];
  for (const i of order) {
    const { colour, radius, alpha } = shown[i];
    pen.globalAlpha = alpha * (0.55 + 0.45 * (depth[i] - far) / (near - far || 1));
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(screen[i][0], screen[i][1], Math.max(0.7, radius * scale), 0, 2 * Math.PI);
    pen.fill();
    if (scene.kind === "ions" && radius * scale > 2.5) {
      pen.lineWidth = 0.6;
      pen.strokeStyle = "rgba(0,0,0,0.55)";
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  planes(pen, side, to, colours);
}

function ions(scene, side) {
  return side.points.filter((p) => !scene.hidden.has(p.element)).map((p) => {
    const [own, radius] = LOOKS[p.element] || OTHER;
    const colour = scene.by === "element" ? own : p.core ? CORE : GRAINS[p.grain % 2];
    return { xyz: p.xyz, colour, radius, alpha: 1 };
  });
}

// The densest places first, up to a share of the Li that the data hold.
function places(scene, side) {
  const total = side.points.reduce((sum, p) => sum + p.density, 0);
  const most = side.points.length ? Math.log(side.points[0].density) : 0;
  const least = side.points.length ? Math.log(side.points[side.points.length - 1].density) : 0;
  const found = [];
  let held = 0;
  for (const p of side.points) {
    if (held > scene.share * total) break;
    held += p.density;
    const t = (Math.log(p.density) - least) / (most - least || 1);
    found.push({ xyz: p.xyz, colour: shade(t), radius: 0.55 * side.voxel_A, alpha: 0.15 + 0.8 * t * t });
  }
  return found;
}

function shade(t) {
  const at = Math.min(1.999, Math.max(0, 2 * t)), i = Math.floor(at), part = at - i;
  const mix = RAMP[i].map((low, k) => Math.round(low + part * (RAMP[i + 1][k] - low)));
  return `rgb(${mix})`;
}

// The part of the cell between two heights, as its eight corners on the screen.
function corners(side, to, low, high) {
  const [a, b, c] = side.cell, found = [];
  for (const k of [low / c[2], high / c[2]])
    for (const [i, j] of [[0, 0], [1, 0], [1, 1], [0, 1]])
      found.push(to([0, 1, 2].map((n) => i * a[n] + j * b[n] + k * c[n])));
  return found;
}

function fill(pen, side, to, low, high, colour, strength) {
  const points = hull(corners(side, to, low, high));
  pen.globalAlpha = strength;
  pen.fillStyle = colour;
  path(pen, points);
  pen.fill();
  pen.globalAlpha = 1;
}

// Grains and cores as bands behind what the cell holds; the cell is periodic.
function regions(pen, side, to, strength) {
  const length = side.cell[2][2], [first, second] = side.planes, half = side.half_A;
  const inside = (z) => ((z % length) + length) % length;
  const band = (low, high, colour) => {
    const start = inside(low), end = start + (high - low);
    fill(pen, side, to, start, Math.min(end, length), colour, strength);
    if (end > length) fill(pen, side, to, 0, end - length, colour, strength);
  };
  band(first + half, second - half, GRAINS[0]);
  band(second + half, first + length - half, GRAINS[1]);
  for (const plane of side.planes) band(plane - half, plane + half, CORE);
}

function box(pen, side, to, colours) {
  const c = corners(side, to, 0, side.cell[2][2]);
  pen.strokeStyle = colours.soft;
  pen.lineWidth = 1;
  for (const [i, j] of [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]])
    path(pen, [c[i], c[j]]), pen.stroke();
  pen.fillStyle = colours.ink;
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "center";
  const [a, b] = side.cell, length = side.cell[2][2];
  for (const [name, p] of [["x", [a[0] + 2, 0, 0]], ["y", [b[0], b[1] + 2, 0]], ["z", [0, 0, length + 2.5]]]) {
    const [x, y] = to(p);
    pen.fillText(name, x, y + 4);
  }
}

function planes(pen, side, to, colours) {
  const length = side.cell[2][2];
  side.planes.forEach((plane, index) => {
    const z = ((plane % length) + length) % length, c = corners(side, to, z, z).slice(0, 4);
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1.6;
    pen.setLineDash([5, 3]);
    path(pen, [...c, c[0]]);
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = colours.ink;
    const top = c.reduce((best, p) => (p[1] < best[1] ? p : best));
    pen.fillText(String(index + 1), top[0], top[1] - 5);
  });
}

function path(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
}

// Convex hull by Andrew's monotone chain.
function hull(points) {
  const sorted = [...points].sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  const cross = (o, p, q) => (p[0] - o[0]) * (q[1] - o[1]) - (p[1] - o[1]) * (q[0] - o[0]);
  const chain = (list) => {
    const kept = [];
    for (const p of list) {
      while (kept.length > 1 && cross(kept[kept.length - 2], kept[kept.length - 1], p) <= 0) kept.pop();
      kept.push(p);
    }
    return kept.slice(0, -1);
  };
  return [...chain(sorted), ...chain(sorted.reverse())];
}
})();
