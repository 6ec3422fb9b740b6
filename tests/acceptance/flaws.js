// What keeps somebody from reading or using this page: a part of WCAG 2.2 AA, by computed styles.
() => {
  const flaws = [];
  const say = (wrong, text) => { if (wrong) flaws.push(text); };
  const root = document.documentElement;

  say(!/^[a-z]{2}/.test(root.lang), "3.1.1: no language");
  say(!document.title.trim(), "2.4.2: no title");
  say(document.querySelectorAll("h1").length !== 1, "not exactly one h1");
  say(document.querySelectorAll("main").length !== 1, "not exactly one main");
  say(!document.querySelector("meta[name=viewport]"), "no viewport");
  say(/user-scalable\s*=\s*no|maximum-scale/.test(
    document.querySelector("meta[name=viewport]")?.content), "1.4.4: no zooming");
  say(root.scrollWidth > innerWidth, `1.4.10: scrolls sideways (${root.scrollWidth} px)`);
  for (const image of document.images) say(!image.hasAttribute("alt"), "1.1.1: image without alt");

  for (const part of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea")) {
    const label = part.labels?.[0]?.textContent;
    const name = (part.getAttribute("aria-label") || part.textContent || label || "").trim();
    say(!name, `4.1.2: ${part.tagName} without a name`);
    if (!part.checkVisibility()) continue;
    say(part.tabIndex < 0, `2.1.1: ${name} cannot be reached by keyboard`);
    const box = part.getBoundingClientRect();
    const inline = getComputedStyle(part).display === "inline";  // in a sentence any size may be
    say(!inline && Math.min(box.width, box.height) < 24, `2.5.8: ${name} is too small a target`);
  }

  const rgba = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a),
    g: top.g * top.a + below.g * (1 - top.a),
    b: top.b * top.a + below.b * (1 - top.a),
    a: 1,
  });
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
    const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? 18 : 255;
    return layers.reverse().reduce((below, top) => over(top, below), { r: canvas, g: canvas, b: canvas, a: 1 });
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    if (!text) continue;
    const element = texts.currentNode.parentElement;
    const below = ground(element);
    const a = light(over(rgba(getComputedStyle(element).color), below)), b = light(below);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    say(ratio < 4.5, `1.4.3: contrast ${ratio.toFixed(2)} of "${text.slice(0, 40)}"`);
  }
  return flaws;
}
