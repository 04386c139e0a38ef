// Shows openapi.json: every route with its parameters, bodies and answers.
// @ts-check

/** @typedef {Record<string, any>} Table */

/**
 * An element with text or other elements in it.
 * @param {string} name
 * @param {(string | Node)[]} inside
 * @param {string} [kind]
 */
function element(name, inside, kind = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...inside);
  return made;
}

/**
 * A schema in one line, such as "integer 0..10" or "Picture".
 * @param {Table | undefined} schema
 * @returns {string}
 */
function told(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.map(told).join(" or ");
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `[${told(schema.items) || "values"}]`;
  const low = schema.minimum ?? "";
  const high = schema.maximum ?? "";
  return `${schema.format ?? schema.type ?? "any"}${low === "" && high === "" ? "" : ` ${low}..${high}`}`;
}

/** @param {string[][]} rows */
function table(rows) {
  const lines = rows.map((cells) => element("tr", cells.map((cell, index) =>
    element(index ? "td" : "th", index ? [cell] : [element("code", [cell])]))));
  return element("table", lines);
}

/**
 * @param {Table | undefined} schema
 * @returns {string[][]}
 */
function fields(schema) {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).map(([name, one]) => [
    name, told(one), required.has(name) ? "needed" : `${JSON.stringify(one.default) ?? ""}`, one.description ?? "",
  ]);
}

/**
 * @param {string} path
 * @param {string} method
 * @param {Table} route
 */
function shown(path, method, route) {
  const inside = [element("p", [route.description ?? ""])];
  const parameters = (route.parameters ?? []).map((/** @type {Table} */ one) => [
    one.name, told(one.schema), one.required ? "needed" : `${JSON.stringify(one.schema?.default) ?? ""}`,
    one.description ?? one.schema?.description ?? "",
  ]);
  if (parameters.length) inside.push(element("h4", ["Parameters"]), table(parameters));
  for (const [media, body] of Object.entries(route.requestBody?.content ?? {})) {
    inside.push(element("h4", ["Body: ", element("code", [media]), ` ${told(body.schema)}`]));
    inside.push(table(fields(body.schema)));
  }
  const answers = Object.entries(route.responses ?? {}).map(([status, one]) => [
    status, Object.entries(one.content ?? {}).map(([media, body]) => `${media} ${told(body.schema)}`).join(", "),
    one.description ?? "",
  ]);
  inside.push(element("h4", ["Answers"]), table(answers));
  const title = element("summary", [
    element("code", [element("span", [method.toUpperCase()], "method"), path]), ` ${route.summary ?? ""}`,
  ]);
  return element("details", [title, element("div", inside)]);
}

const api = await (await fetch("/openapi.json")).json();
const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, route]) => shown(path, method, route)));
const schemas = Object.entries(api.components?.schemas ?? {}).map(([name, schema]) =>
  element("details", [element("summary", [element("code", [name]), ` ${schema.description ?? ""}`]),
    element("div", [table(fields(schema))])]));
document.getElementById("reference")?.replaceChildren(
  element("h1", [`${api.info.title} ${api.info.version}: the HTTP API`]),
  element("p", [api.info.summary ?? ""]),
  element("h2", ["Routes"]), ...routes,
  element("h2", ["Schemas"]), ...schemas,
);
