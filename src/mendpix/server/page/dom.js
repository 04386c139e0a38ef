/** Small things about the document. */

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function find(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is missing`);
  return found;
}

/** @param {string} id */
export const button = (id) => find(id, HTMLButtonElement);
/** @param {string} id */
export const input = (id) => find(id, HTMLInputElement);
/** @param {string} id */
export const box = (id) => find(id, HTMLElement);

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else Reflect.set(made, name, value);
  }
  made.append(...children);
  return made;
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
export function save(url, name) {
  const link = make("a", { href: url, download: name ?? "" });
  document.body.append(link);
  link.click();
  link.remove();
}

/** @param {string} accept @param {boolean} many @returns {Promise<File[]>} */
export function pick(accept, many) {
  return new Promise((done) => {
    const field = make("input", { type: "file", accept, multiple: many });
    field.addEventListener("change", () => done([...(field.files ?? [])]));
    field.addEventListener("cancel", () => done([]));
    field.click();
  });
}

/** What the page remembers on this machine. */
export const memory = {
  /** @param {string} name @param {string} otherwise @returns {string} */
  get(name, otherwise) {
    try {
      return localStorage.getItem(`mendpix.${name}`) ?? otherwise;
    } catch {
      return otherwise; // storage can be forbidden
    }
  },
  /** @param {string} name @param {string} value */
  set(name, value) {
    try {
      localStorage.setItem(`mendpix.${name}`, value);
    } catch {
      // then it is forgotten
    }
  },
};
