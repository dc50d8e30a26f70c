/** What is hard to read on a page: text whose contrast to what is behind it is below a limit. */

/**
 * A program for the page. `MIN` is replaced by the limit; the answer is a list of texts with their contrast. Colours
 * are those of WCAG 2: relative luminance, transparent backgrounds taken from the elements behind.
 */
export const LOW_CONTRAST_SCRIPT = `(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      const [, , , alpha = 1] = numbers(colour);
      if (alpha === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.offsetParent !== null && !element.disabled)
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
    .map((element) => {
      const [one, other] = [getComputedStyle(element).color, behind(element)].map(luminance);
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      return { text: element.textContent.trim().slice(0, 40), contrast: Math.round(contrast * 100) / 100 };
    })
    .filter(({ contrast }) => contrast < MIN);
})()`;
