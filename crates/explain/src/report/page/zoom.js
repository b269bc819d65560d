"use strict";
// A timeline is drawn without this script; it only moves the view box, and says what is under the pointer.
document.querySelectorAll("section").forEach((section) => {
  const plot = section.querySelector(".plot");
  const svg = plot.querySelector("svg");
  const names = JSON.parse(section.querySelector(".names").textContent);
  const axis = section.querySelectorAll(".axis span");
  const tip = section.querySelector(".tip");
  const end = names.end, height = names.height;
  let from = 0, to = end;
  const show = (ms) => ms === 0 ? "0" : ms >= 10000 ? (ms / 1000).toFixed(1) + " s" : ms >= 10 ? ms.toFixed(0) + " ms" : ms.toFixed(3) + " ms";
  // All labels of the axis have one unit and as many digits as tell them apart.
  const label = (ms, step) => {
    const [unit, name] = to >= 1000 ? [1000, " s"] : to >= 1 ? [1, " ms"] : [0.001, " µs"];
    const digits = Math.min(9, Math.max(0, 1 - Math.floor(Math.log10(step / unit))));
    return ms === 0 ? "0" : (ms / unit).toFixed(digits) + name;
  };
  const draw = () => {
    svg.setAttribute("viewBox", `${from} 0 ${to - from} ${height}`);
    const step = (to - from) / (axis.length - 1);
    axis.forEach((tick, at) => { tick.textContent = label(from + step * at, step); });
  };
  const zoom = (factor, at) => {
    const width = Math.min(end, Math.max(end / 1e6, (to - from) * factor));
    from = Math.min(Math.max(0, from + (to - from - width) * at), end - width);
    to = from + width;
    draw();
  };
  const move = (share) => {
    const width = to - from;
    from = Math.min(Math.max(0, from + share * width), end - width);
    to = from + width;
    draw();
  };
  const where = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  plot.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, where(event)); }, { passive: false });
  const held = new Map();
  plot.addEventListener("pointerdown", (event) => { held.set(event.pointerId, where(event)); plot.setPointerCapture(event.pointerId); });
  plot.addEventListener("pointerup", (event) => held.delete(event.pointerId));
  plot.addEventListener("pointercancel", (event) => held.delete(event.pointerId));
  plot.addEventListener("pointermove", (event) => {
    const now = where(event);
    if (held.has(event.pointerId)) {
      const before = held.get(event.pointerId);
      const others = [...held.entries()].filter(([id]) => id !== event.pointerId);
      if (others.length) {
        const other = others[0][1];
        if (Math.abs(now - other) > 0.01 && Math.abs(before - other) > 0.01) zoom(Math.abs(before - other) / Math.abs(now - other), other);
      } else move(before - now);
      held.set(event.pointerId, now);
      return;
    }
    const hit = document.elementFromPoint(event.clientX, event.clientY);
    const bar = hit && hit.classList.contains("bar") ? hit : null;
    tip.textContent = bar ? `${names.labels[bar.dataset.l]}: ${show(+bar.getAttribute("x"))} + ${show(+bar.getAttribute("width"))}` : "";
  });
  section.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    const what = button.dataset.zoom;
    if (what === "in") zoom(0.5, 0.5); else if (what === "out") zoom(2, 0.5); else if (what === "left") move(-0.3); else if (what === "right") move(0.3);
    else { from = 0; to = end; draw(); }
  }));
  draw();
});
