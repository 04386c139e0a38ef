/** Helpers for the DOM, files and local storage. */

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function find(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`#${id} is missing`);
  return element;
}

/** @param {string} id */
export const button = (id) => find(id, HTMLButtonElement);
/** @param {string} id */
export const input = (id) => find(id, HTMLInputElement);
/** @param {string} id */
export const byId = (id) => find(id, HTMLElement);

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function createElement(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else Reflect.set(element, name, value);
  }
  element.append(...children);
  return element;
}

/** @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} url @param {string} [name] */
export function download(url, name) {
  const link = createElement("a", { href: url, download: name ?? "" });
  document.body.append(link);
  link.click();
  link.remove();
}

/** @param {string} accept @param {boolean} many @returns {Promise<File[]>} */
export function pickFiles(accept, many) {
  return new Promise((done) => {
    const field = createElement("input", { type: "file", accept, multiple: many });
    field.addEventListener("change", () => done([...(field.files ?? [])]));
    field.addEventListener("cancel", () => done([]));
    field.click();
  });
}

/** Preferences in local storage. */
export const storage = {
  /** @param {string} name @param {string} otherwise @returns {string} */
  get(name, otherwise) {
    try {
      return localStorage.getItem(`mendpix.${name}`) ?? otherwise;
    } catch {
      return otherwise; // storage may be disabled
    }
  },
  /** @param {string} name @param {string} value */
  set(name, value) {
    try {
      localStorage.setItem(`mendpix.${name}`, value);
    } catch {
      // the preference is not remembered
    }
  },
};
