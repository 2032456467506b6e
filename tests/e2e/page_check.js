// a page as it stands → what sticks out of it sideways, and which words of a chart lie over each other.
() => {
  const faults = [];
  const name = (e) => `<${e.tagName.toLowerCase()} class="${e.getAttribute("class") || ""}"> ${(e.textContent || "").trim().slice(0, 40)}`;
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) faults.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  const scrolls = (e) => {  // or is cut off on purpose
    for (; e && e !== document.body; e = e.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)) return true;
    return false;
  };
  for (const e of document.querySelectorAll("body *")) {
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 0.5 || box.left < -0.5) && !scrolls(e)) faults.push(`sticks out: ${name(e)} ${box.left}–${box.right}`);
  }
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  for (const chart of document.querySelectorAll(".chart")) {
    const words = [...chart.querySelectorAll("text, figcaption, li, p")].filter((e) => e.getBoundingClientRect().width > 0);
    for (let i = 0; i < words.length; ++i)
      for (let j = i + 1; j < words.length; ++j)
        if (overlap(words[i].getBoundingClientRect(), words[j].getBoundingClientRect())) faults.push(`one over the other: ${name(words[i])} and ${name(words[j])}`);
  }
  return faults;
}
