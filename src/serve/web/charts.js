// numbers over time → small SVG lines that stretch with their place.

const NS = "http://www.w3.org/2000/svg";

/** Draws the last `count` values, newest at the right, from 0 to `top`. Undefined values are gaps before the first. */
export function spark(svg, values, { count = 60, top = null } = {}) {
  const high = top ?? Math.max(1e-9, ...values) * 1.15;
  const x = (i) => 100 * (count - values.length + i) / (count - 1);
  const y = (value) => 100 - 100 * Math.min(1, Math.max(0, value / high));
  if (!svg.firstChild) {
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("preserveAspectRatio", "none");
    for (const name of ["area", "line"]) {
      const path = document.createElementNS(NS, "path");
      path.setAttribute("class", name);
      svg.append(path);
    }
  }
  const points = values.map((value, i) => `${x(i).toFixed(2)} ${y(value).toFixed(2)}`);
  const line = points.length > 0 ? `M${points.join("L")}` : "";
  svg.children[1].setAttribute("d", line);
  svg.children[0].setAttribute("d", points.length > 1 ? `${line}L${x(values.length - 1)} 100L${x(0)} 100Z` : "");
}

/** "0.84 ms", "12.3 ms", "1.20 s". */
export function milliseconds(ms) {
  return ms < 10 ? `${ms.toFixed(2)} ms` : ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  for (; count >= 1024 && power + 1 < units.length; ++power) count /= 1024;
  return `${count.toFixed(count < 10 && power > 0 ? 1 : 0)} ${units[power]}`;
}
