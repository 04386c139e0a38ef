/** The panel's choices about filling: filler, its options, seed, tries. */

/** @import {Model, Option} from "./types.js" */
import * as api from "./api.js";
import { box, button, find, input, make, memory } from "./dom.js";
import { known, t } from "./i18n.js";
import { show } from "./card.js";

export class Settings {
  constructor() {
    /** @type {Model[]} */
    this.models = [];
    /** @type {Record<string, any>} of the chosen model, only what differs from its defaults */
    this.options = {};
    this.size = 40; // of the brush, in pixels of the picture
    this.share = Number(memory.get("size", "")) || 1 / 30; // the same of its longer side
    this.tool = "brush";
    this.list = find("model", HTMLSelectElement);
    this.list.addEventListener("change", () => this.choose(this.list.value));
    button("card").addEventListener("click", () => show(this.model));
  }

  async load() {
    const { models, default: standard } = await api.models();
    this.models = models;
    const kept = models.find((one) => one.ready && one.name === memory.get("model", standard));
    this.choose(kept?.name ?? standard);
  }

  /** @returns {Model} */
  get model() {
    return this.models.find((one) => one.name === this.list.value) ?? this.models[0];
  }

  /** @param {string} name */
  choose(name) {
    memory.set("model", name);
    this.options = {};
    this.render(name);
  }

  /** @param {string} [name] */
  render(name = this.list.value) {
    if (!this.models.length) return;
    this.list.replaceChildren(...this.models.map(entry));
    this.list.value = name;
    const { model } = this;
    box("model-about").textContent = model.why_not || about(model);
    box("options-box").hidden = !model.options.length;
    box("options").replaceChildren(...model.options.map((option) => this.field(option)));
  }

  /** @param {Option} option @returns {HTMLElement} */
  field(option) {
    const id = `option-${option.name}`;
    const name = known(`option_${option.name}`) ? t(`option_${option.name}`) : option.name;
    const value = this.options[option.name] ?? option.default;
    const control = this.control(option, id, value);
    control.title = option.about;
    if (option.kind === "bool") return make("label", { className: "check" }, control, name);
    return make("div", { className: "inline" }, make("label", { htmlFor: id }, name), control);
  }

  /**
   * @param {Option} option
   * @param {string} id
   * @param {any} value
   * @returns {HTMLInputElement | HTMLSelectElement}
   */
  control(option, id, value) {
    const put = (/** @type {any} */ chosen) => {
      if (chosen === option.default) delete this.options[option.name];
      else this.options[option.name] = chosen;
    };
    if (option.kind === "choice") {
      const list = make("select", { id }, ...(option.choices ?? []).map(choice));
      list.value = value;
      list.addEventListener("change", () => put(list.value));
      return list;
    }
    if (option.kind === "bool") {
      const box = make("input", { id, type: "checkbox", checked: value });
      box.addEventListener("change", () => put(box.checked));
      return box;
    }
    const [min, max] = [String(option.least ?? ""), String(option.most ?? "")];
    const step = option.kind === "int" ? "1" : "any";
    const field = make("input", { id, type: "number", min, max, step, value: String(value) });
    field.addEventListener("change", () => {
      if (field.checkValidity() && field.value) put(Number(field.value));
      else field.value = String(this.options[option.name] ?? option.default);
    });
    return field;
  }

  /** What an order says about how to fill. */
  get order() {
    return {
      model: this.model.name,
      options: { ...this.options },
      seed: whole("seed"),
      tries: whole("count"),
    };
  }
}

/** @param {string} id of a number field @returns {number} within its bounds */
function whole(id) {
  const field = input(id);
  const number = Math.round(Number(field.value)) || 0;
  const value = Math.min(Number(field.max), Math.max(Number(field.min), number));
  field.value = String(value);
  return value;
}

/** @param {Model} model @returns {HTMLOptionElement} */
function entry(model) {
  return make("option", { value: model.name, disabled: !model.ready }, model.name);
}

/** @param {string} value @returns {HTMLOptionElement} */
function choice(value) {
  const name = known(`choice_${value}`) ? t(`choice_${value}`) : value;
  return make("option", { value }, name);
}

/** @param {Model} model @returns {string} */
export function about(model) {
  const key = `about_${model.name}`;
  const words = known(key) ? t(key) : model.about;
  return model.licence ? `${words} (${t("licence")}: ${model.licence})` : words;
}
