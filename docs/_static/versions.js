// versions.json lies beside the folders of all versions; the workflow that publishes them writes it.
document.addEventListener("DOMContentLoaded", async () => {
  const label = document.querySelector(".versions label");
  if (!label || !location.protocol.startsWith("http")) return;
  const here = new URL(document.documentElement.dataset.content_root, location.href);
  const answer = await fetch(new URL("../versions.json", here));
  if (!answer.ok) return;
  const select = label.querySelector("select");
  for (const name of await answer.json()) {
    const current = here.pathname.endsWith(`/${name}/`);
    select.add(new Option(name, new URL(`../${name}/`, here), current, current));
  }
  select.addEventListener("change", () => location.assign(select.value));
  label.hidden = false;
});
