(() => {
  const cases = [...document.querySelectorAll("article.case")];
  const tools = document.getElementById("tools"), told = document.getElementById("told");
  if (!tools || !cases.length) return;
  const [text, truth, flag] = ["search", "truth", "flag"].map((name) => document.getElementById(name));
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of cases) {
      const { search, flags, truth: names } = one.dataset;
      const fits = words.every((word) => search.includes(word))
        && (!truth.value || names.split("|").includes(truth.value))
        && (!flag.value || flags.split(" ").includes(flag.value));
      one.hidden = !fits;
      shown += fits;
    }
    told.textContent = `${shown} of ${cases.length} cases`;
  };
  for (const field of [text, truth, flag]) field.addEventListener("input", filter);
  document.getElementById("zoom").addEventListener("input", (event) =>
    document.documentElement.style.setProperty("--zoom", event.target.value));
  tools.hidden = false;
  filter();
})();
