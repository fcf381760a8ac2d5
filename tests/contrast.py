"""How well the texts of a page can be read."""

CONTRASTS = """
    () => {
        const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const luminance = ([red, green, blue]) => {
            const [r, g, b] = [red, green, blue].map((value) => {
                const part = value / 255;
                return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const backdrop = (node) => {
            for (let at = node; at !== null; at = at.parentElement) {
                const colour = channels(getComputedStyle(at).backgroundColor);
                if (colour.length === 3 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
        };
        const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        return [...document.body.querySelectorAll("*")]
            .filter((node) => hasText(node) && node.checkVisibility())
            .map((node) => {
                const pair = [luminance(channels(getComputedStyle(node).color)), luminance(backdrop(node))];
                const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
                return [node.tagName, node.textContent.trim().slice(0, 30), ratio];
            });
    }
"""
"""For a browser: tag, text and contrast ratio (WCAG 2.2, 1.4.3) of everything that shows text."""
