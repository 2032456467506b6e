// a model's columns → a field for each, and what is typed there → the row that is asked.

/** Fields named after the columns: a choice where there are categories, a date, else a number. A model that names none has as many numbers. */
export function showFields(place, model) {
  const columns = model.columns?.length ? model.columns : Array.from({ length: model.input[0] }, (_, i) => ({ name: `value ${i + 1}` }));
  place.replaceChildren(...columns.map((column) => {
    const label = document.createElement("label");
    label.textContent = column.name;
    const field = document.createElement(column.categories ? "select" : "input");
    if (column.categories) field.append(...column.categories.map((word) => new Option(word)));
    else if (column.kind === "date") Object.assign(field, { type: "date", value: new Date().toISOString().slice(0, 10) });
    else Object.assign(field, { inputMode: "decimal", autocomplete: "off", value: "1" });
    field.dataset.column = column.name;
    field.dataset.kind = column.kind ?? "number";
    label.append(field);
    return label;
  }));
}

/** {row, problem}: JSON as POST / takes it, or what is wrong with it in words. */
export function rowOf(place, model) {
  const fields = [...place.querySelectorAll("[data-column]")];
  const odd = fields.find((field) => field.dataset.kind === "number" && field.value.trim() !== "" && !Number.isFinite(Number(field.value)));
  if (odd) return { problem: `Wanted a number for ${odd.dataset.column}, got “${odd.value}”` };
  const value = (field) => (field.value.trim() === "" ? null : field.dataset.kind === "number" ? Number(field.value) : field.value);
  const named = model.columns?.length;
  return { row: JSON.stringify(named ? Object.fromEntries(fields.map((f) => [f.dataset.column, value(f)])) : fields.map(value)) };
}
