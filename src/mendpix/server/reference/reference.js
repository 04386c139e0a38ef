// Renders openapi.json: every route with its parameters, bodies and responses.
// @ts-check

/** @typedef {Record<string, any>} Table */

/**
 * Make an element with these children.
 * @param {string} name
 * @param {(string | Node)[]} inside
 * @param {string} [kind]
 */
function makeElement(name, inside, kind = "") {
  const node = document.createElement(name);
  if (kind) node.className = kind;
  node.append(...inside);
  return node;
}

/**
 * A schema in one line, such as "integer 0..10" or "PictureInfo".
 * @param {Table | undefined} schema
 * @returns {string}
 */
function describeSchema(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.map(describeSchema).join(" or ");
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `[${describeSchema(schema.items) || "values"}]`;
  const low = schema.minimum ?? "";
  const high = schema.maximum ?? "";
  return `${schema.format ?? schema.type ?? "any"}${low === "" && high === "" ? "" : ` ${low}..${high}`}`;
}

/** @param {string[][]} rows */
function makeTable(rows) {
  const lines = rows.map((cells) => makeElement("tr", cells.map((cell, index) =>
    makeElement(index ? "td" : "th", index ? [cell] : [makeElement("code", [cell])]))));
  return makeElement("table", lines);
}

/**
 * @param {Table | undefined} schema
 * @returns {string[][]}
 */
function listFields(schema) {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).map(([name, one]) => [
    name, describeSchema(one), required.has(name) ? "needed" : `${JSON.stringify(one.default) ?? ""}`, one.description ?? "",
  ]);
}

/**
 * @param {string} path
 * @param {string} method
 * @param {Table} route
 */
function renderRoute(path, method, route) {
  const inside = [makeElement("p", [route.description ?? ""])];
  const parameters = (route.parameters ?? []).map((/** @type {Table} */ one) => [
    one.name, describeSchema(one.schema), one.required ? "needed" : `${JSON.stringify(one.schema?.default) ?? ""}`,
    one.description ?? one.schema?.description ?? "",
  ]);
  if (parameters.length) inside.push(makeElement("h4", ["Parameters"]), makeTable(parameters));
  for (const [media, body] of Object.entries(route.requestBody?.content ?? {})) {
    inside.push(makeElement("h4", ["Body: ", makeElement("code", [media]), ` ${describeSchema(body.schema)}`]));
    inside.push(makeTable(listFields(body.schema)));
  }
  const responses = Object.entries(route.responses ?? {}).map(([status, one]) => [
    status, Object.entries(one.content ?? {}).map(([media, body]) => `${media} ${describeSchema(body.schema)}`).join(", "),
    one.description ?? "",
  ]);
  inside.push(makeElement("h4", ["Responses"]), makeTable(responses));
  const title = makeElement("summary", [
    makeElement("code", [makeElement("span", [method.toUpperCase()], "method"), path]), ` ${route.summary ?? ""}`,
  ]);
  return makeElement("details", [title, makeElement("div", inside)]);
}

const api = await (await fetch("/openapi.json")).json();
const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, route]) => renderRoute(path, method, route)));
const schemas = Object.entries(api.components?.schemas ?? {}).map(([name, schema]) =>
  makeElement("details", [makeElement("summary", [makeElement("code", [name]), ` ${schema.description ?? ""}`]),
    makeElement("div", [makeTable(listFields(schema))])]));
document.getElementById("reference")?.replaceChildren(
  makeElement("h1", [`${api.info.title} ${api.info.version}: the HTTP API`]),
  makeElement("p", [api.info.summary ?? ""]),
  makeElement("h2", ["Routes"]), ...routes,
  makeElement("h2", ["Schemas"]), ...schemas,
);
