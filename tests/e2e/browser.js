// Looks at the page it is loaded into and tells the frame around it what is wrong (browser.bash).
(() => {
  const faults = [];
  const fault = (what, element) => {
    const words = element ? (element.textContent || element.outerHTML).trim().slice(0, 80) : "";
    faults.push(words ? `${what}: ${words}` : what);
  };
  addEventListener("error", (e) => fault(`error ${e.message}`));
  const all = (selector, of = document) => [...of.querySelectorAll(selector)];

  const nameOf = (svg) => {
    const title = svg.querySelector(":scope > title");
    return (svg.getAttribute("aria-label") || (title && title.textContent) || "").trim();
  };

  // A mark is what is drawn of the data: not the axes, the grid, a reference line or a text.
  const isMark = (element) => {
    if (["axis", "grid", "ref", "page"].some((name) => element.classList.contains(name))) return false;
    const box = element.getBBox();
    return box.width > 0 || box.height > 0;
  };

  const lookAtChart = (svg) => {
    if (svg.getAttribute("role") !== "img") fault("a chart that is no image to a screen reader", svg);
    if (nameOf(svg) === "") fault("a chart without a name", svg);
    if (!all("path,line,rect,circle,polyline,polygon", svg).some(isMark)) fault("a chart without a mark", svg);
    const view = svg.viewBox.baseVal;
    for (const text of all("text", svg)) {
      const box = text.getBBox();
      if (box.x < view.x - 0.5 || box.x + box.width > view.x + view.width + 0.5 || box.y < view.y - 1 ||
          box.y + box.height > view.y + view.height + 1)
        fault(`a text leaves its chart "${nameOf(svg)}" by ${Math.round(Math.max(-box.x, box.x + box.width - view.width))}`, text);
    }
  };

  const lookAtBoxes = () => {
    for (const element of all("body *")) {
      if (element.closest("svg")) continue;
      const style = getComputedStyle(element);
      if (element.scrollWidth <= element.clientWidth + 1 || element.clientWidth === 0) continue;
      if (style.overflowX === "visible") continue; // the page itself would scroll
      if (style.overflowX === "hidden" || style.textOverflow === "ellipsis") fault("a text that is cut", element);
      else if (element.tabIndex < 0) fault("a box that scrolls out of the keyboard's reach", element);
      else if (element.tagName !== "PRE" && !element.getAttribute("aria-label")) fault("a box without a name", element);
    }
  };

  const look = () => {
    const root = document.documentElement;
    if (!root.lang) fault("the page has no language");
    if (!document.title) fault("the page has no title");
    if (all("h1").length !== 1) fault("the page has not one h1");
    let level = 1;
    for (const heading of all("h1,h2,h3,h4,h5")) {
      const own = Number(heading.tagName[1]);
      if (own > level + 1) fault("a heading below one that is missing", heading);
      level = own;
    }
    for (const details of all("details")) details.open = true;
    all('svg[role="img"]').forEach(lookAtChart);
    for (const svg of all("svg:not([role]):not([aria-hidden])")) fault("a drawing without a role", svg);
    for (const image of all("img")) {
      if (!image.alt) fault("an image without a text", image);
      if (!image.complete || image.naturalWidth === 0) fault("an image that does not load", image);
    }
    for (const link of all('a[href^="#"]'))
      if (!document.getElementById(link.getAttribute("href").slice(1))) fault("a link to nowhere", link);
    for (const control of all("input,select,textarea,button"))
      if (!(control.labels && control.labels.length) && !control.getAttribute("aria-label") && !control.textContent.trim())
        fault("a control without a name", control);
    lookAtBoxes();
    if (root.scrollWidth > innerWidth) fault(`the page scrolls sideways: ${root.scrollWidth} of ${innerWidth} px`);
    parent.postMessage(faults.join("\n"), "*");
  };
  if (document.readyState === "complete") look();
  else addEventListener("load", look);
})();
