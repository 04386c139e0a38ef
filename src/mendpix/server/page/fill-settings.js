/** The panel's settings of a fill: model, its options, seed, tries. */

/** @import {Model, Option} from "./types.js" */
import * as api from "./api.js";
import { button, byId, createElement, find, input, storage } from "./dom.js";
import { describeModel, hasText, t } from "./i18n.js";
import { showCard } from "./model-card.js";

export class FillSettings {
  constructor() {
    /** @type {Model[]} */
    this.models = [];
    /** @type {Record<string, any>} of the chosen model, only what differs from its defaults */
    this.options = {};
    this.size = 40; // of the brush, in pixels of the picture
    this.share = Number(storage.get("size", "")) || 1 / 30; // the same of its longer side
    this.tool = "brush";
    this.list = find("model", HTMLSelectElement);
    this.list.addEventListener("change", () => this.choose(this.list.value));
    button("card").addEventListener("click", () => showCard(this.model));
  }

  async load() {
    const { models, default: standard } = await api.listModels();
    this.models = models;
    const remembered = models.find((one) => one.ready && one.name === storage.get("model", standard));
    this.choose(remembered?.name ?? standard);
  }

  /** @returns {Model} */
  get model() {
    return this.models.find((one) => one.name === this.list.value) ?? this.models[0];
  }

  /** @param {string} name */
  choose(name) {
    storage.set("model", name);
    this.options = {};
    this.render(name);
  }

  /** @param {string} [name] */
  render(name = this.list.value) {
    if (!this.models.length) return;
    this.list.replaceChildren(...this.models.map(makeModelEntry));
    this.list.value = name;
    const { model } = this;
    byId("model-about").textContent = model.why_not || describeModel(model);
    byId("options-box").hidden = !model.options.length;
    byId("options").replaceChildren(...model.options.map((option) => this.field(option)));
  }

  /** @param {Option} option @returns {HTMLElement} */
  field(option) {
    const id = `option-${option.name}`;
    const name = hasText(`option_${option.name}`) ? t(`option_${option.name}`) : option.name;
    const value = this.options[option.name] ?? option.default;
    const control = this.control(option, id, value);
    control.title = option.about;
    if (option.kind === "bool") return createElement("label", { className: "check" }, control, name);
    return createElement("div", { className: "inline" }, createElement("label", { htmlFor: id }, name), control);
  }

  /**
   * @param {Option} option
   * @param {string} id
   * @param {any} value
   * @returns {HTMLInputElement | HTMLSelectElement}
   */
  control(option, id, value) {
    const setOption = (/** @type {any} */ chosen) => {
      if (chosen === option.default) delete this.options[option.name];
      else this.options[option.name] = chosen;
    };
    if (option.kind === "choice") {
      const list = createElement("select", { id }, ...(option.choices ?? []).map(makeChoice));
      list.value = value;
      list.addEventListener("change", () => setOption(list.value));
      return list;
    }
    if (option.kind === "bool") {
      const box = createElement("input", { id, type: "checkbox", checked: value });
      box.addEventListener("change", () => setOption(box.checked));
      return box;
    }
    const [min, max] = [String(option.least ?? ""), String(option.most ?? "")];
    const step = option.kind === "int" ? "1" : "any";
    const field = createElement("input", { id, type: "number", min, max, step, value: String(value) });
    field.addEventListener("change", () => {
      if (field.checkValidity() && field.value) setOption(Number(field.value));
      else field.value = String(this.options[option.name] ?? option.default);
    });
    return field;
  }

  /**
   * The settings as fields of a job request.
   * @returns {{model: string, options: Record<string, any>, seed: number, tries: number,
   *   grow: number | "auto"}}
   */
  get order() {
    return {
      model: this.model.name,
      options: { ...this.options },
      seed: readInteger("seed"),
      grow: input("grow-auto").checked ? "auto" : 0,
      tries: readInteger("count"),
    };
  }
}

/** @param {string} id of a number field @returns {number} within its bounds */
function readInteger(id) {
  const field = input(id);
  const number = Math.round(Number(field.value)) || 0;
  const value = Math.min(Number(field.max), Math.max(Number(field.min), number));
  field.value = String(value);
  return value;
}

/** @param {Model} model @returns {HTMLOptionElement} */
function makeModelEntry(model) {
  return createElement("option", { value: model.name, disabled: !model.ready }, model.name);
}

/** @param {string} value @returns {HTMLOptionElement} */
function makeChoice(value) {
  const name = hasText(`choice_${value}`) ? t(`choice_${value}`) : value;
  return createElement("option", { value }, name);
}
