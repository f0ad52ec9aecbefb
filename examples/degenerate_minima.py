"""Does SGD stick to degenerate minima?

Three minima of one depth, of order 2, 4 and 6. To the diffusion only the room within reach of the noise counts: w^k / T
is of order one over a width T^(1/k), so that a flatter minimum gains on a sharper one by T^(1/4 - 1/2), T^(1/6 - 1/4) as
the noise falls. SGD sticks far more: a flat minimum of the same depth has steeper sides, and batches whose gradients
differ by sigma at most never climb a slope above sigma. Only at a small learning rate, where sigma is large at the same
temperature T = eta sigma^2 / 2, does the diffusion hold. (Where samples share a minimum and its noise vanishes with the
slope, SGD ends there at any order, as `fp.landscapes.degenerate` shows; w' = -eta w^(k-1) only takes its time. Paths at the
lowest T have not arrived yet.)
"""

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp

RATES, TEMPERATURES = (0.1, 0.02), np.array([0.27, 0.33, 0.42, 0.55])
MINIMA = {2: -3.0, 4: 0.0, 6: 3.0}  # order: place
LOSS = "-exp(-(w + 3)**2) - exp(-w**4) - exp(-(w - 3)**6) + (w/4.5)**20 + x*w"


def near(w, order):
    """In the basin of the minimum of this order."""
    return abs(w - MINIMA[order]) < 1.0


def shares(result):
    """Stationary mass near each minimum."""
    return [result.masses[near(result.grid.centers[0], order)].sum() for order in MINIMA]


def main(temperatures=TEMPERATURES, cells=400, n_paths=1000, time=1000, picture="degenerate_minima.png"):
    """Print and draw the share near each minimum over the noise; return it by rate and way, (temperature, order)."""
    grid, found = fp.Grid((-4.8, 4.8), cells), {}
    for rate in RATES:
        rows = {"Ito": [], "operator": [], "simulated": [], "error": []}
        for t in temperatures:
            sigma = np.sqrt(2.0 * t / rate)
            sgd = fp.SGD(fp.SampleLoss(LOSS, ["w"], {"x": [-sigma, sigma]}), rate)
            rows["Ito"].append(shares(fp.stationary(sgd.equation(), grid)))
            rows["operator"].append(shares(sgd.transfer_operator(grid).stationary()))
            mc = sgd.simulate(fp.uniform(-4.0, 4.0), [round(time / rate)], n_paths=n_paths)
            seen = [mc.fraction(lambda w, k=order: near(w, k)) for order in MINIMA]
            rows["simulated"].append([s.value[0] for s in seen])
            rows["error"].append([s.standard_error[0] for s in seen])
            for way in ("Ito", "operator", "simulated"):
                shown = ", ".join(f"order {k} {p:.3f}" for k, p in zip(MINIMA, rows[way][-1], strict=True))
                print(f"rate {rate:<5g} T = {t:.2f} {way:>9}: {shown}")
        found[rate] = {way: np.array(row) for way, row in rows.items()}
    sixth = [found[max(RATES)][way][0, 2] for way in ("Ito", "operator")]
    print("Verdict: it does. Of order 6 SGD holds {1:.2f}, the diffusion says {0:.2f}.".format(*sixth))

    # plot
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    for axes, (rate, rows) in zip(figure.subplots(1, 2, sharey=True), found.items(), strict=True):
        for i, (order, color) in enumerate(zip(MINIMA, ("tab:blue", "tab:red", "tab:green"), strict=True)):
            style, name = {"color": color, "ls": ("-", "--", "-.")[i], "marker": "os^"[i]}, f"order {order}, "
            axes.plot(temperatures, rows["operator"][:, i], **style, lw=2.2, ms=0, label=name + "operator")
            axes.plot(temperatures, rows["Ito"][:, i], **style, lw=0.8, ms=4, label=name + "Ito diffusion")
            seen, bars = rows["simulated"][:, i], {"ls": "", "ms": 8, "mfc": "w", "capsize": 3}
            axes.errorbar(temperatures, seen, 2 * rows["error"][:, i], **{**style, **bars}, label=name + "SGD paths")
        axes.set(xlabel="temperature T", ylabel="share near the minimum", title=f"learning rate {rate:g}", ylim=(0, 1))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    figure.savefig(picture, dpi=120)
    return found


if __name__ == "__main__":
    main()
