// Compares the page's arithmetic with recorded answers; returns what differs, in words. A function of its modules.
async ({ relation, values, dialects, translate, state, model }, { axes, rows, settings, states, layers }) => {
  const wrong = [];
  const compare = (what, given, wanted) => {
    if (JSON.stringify(given) !== JSON.stringify(wanted) && wrong.length < 20) {
      wrong.push(`${what}: ${JSON.stringify(given)} instead of ${JSON.stringify(wanted)}`);
    }
  };
  const pairs = (found) => found.map(({ small, tap, large }) => [small, tap, large]);
  for (const { axis, ...wanted } of axes) {
    const given = {
      span: relation.span(axis),
      full: relation.full(axis),
      after: relation.after(axis),
      products: relation.products(axis),
      even: relation.isEven(axis),
      sizes: relation.largeSizes(axis, 3),
      taps: wanted.taps.map((_, k) => pairs(relation.taps(axis, k - 2))),
      stamps: wanted.stamps.map((_, k) => pairs(relation.stamp(axis, k))),
    };
    for (const name of Object.keys(wanted)) compare(`${name} of ${JSON.stringify(axis)}`, given[name], wanted[name]);
  }
  for (const { code, axes: pair, transposed, groups, x, w, y } of rows) {
    const each = { input: x[0].length / groups, output: y[0].length / groups };
    const size = pair.map((axis) => axis[transposed ? "large" : "small"]);
    const sum = (sample, made, i, j) => {
      const group = Math.floor(made / each.output);
      let total = 0;
      for (let k = 0; k < each.input; k += 1) {
        const taken = group * each.input + k;
        const weights = transposed ? w[taken][made % each.output] : w[made][k];
        total += values.sumAt({ axes: pair, transposed, x: x[sample][taken], w: weights }, [i, j]).total;
      }
      return total;
    };
    const given = y.map((channels, n) =>
      channels.map((_, c) =>
        Array.from({ length: size[0] }, (_, i) => Array.from({ length: size[1] }, (_, j) => sum(n, c, i, j))),
      ),
    );
    compare(code, given, y);
  }
  for (const { dialect, axis, setting, wanted } of settings) {
    const found = dialects.read(dialect, axis, setting);
    const discord = dialects.discord(dialect, [axis, axis], [setting, setting]);
    const given = found.error || discord ? null : [found.large, found.before];
    compare(`${dialect} ${JSON.stringify(setting)} of ${JSON.stringify(axis)}`, given, wanted);
  }
  for (const answer of states) {
    const found = model.axesOf(state.withAnswer(state.start(), answer, null));
    const names = Object.keys(answer.axes[0]);
    const given = found.axes?.map((axis) => Object.fromEntries(names.map((name) => [name, axis[name]])));
    compare(`the controls at ${JSON.stringify(answer)}`, given, answer.axes);
  }
  const lines = layers.map((each) => translate.everywhere(each));
  return { wrong, lines };
};
